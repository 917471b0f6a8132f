"use strict";
// Tables whose columns sort: by mouse or keyboard, numbers largest first, empty cells last.
(() => {
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  function valueOf(row, column, isNumeric) {
    const value = row.cells[column].dataset.value;
    if (value === undefined) return null;
    return isNumeric ? Number(value) : value;
  }

  function compare(a, b, isNumeric) {
    if (a === null || b === null) return 0;
    return isNumeric ? a - b : order.compare(a, b);
  }

  function sort(table, column) {
    const headings = Array.from(table.tHead.rows[0].cells);
    const heading = headings[column];
    const values = Array.from(table.tBodies[0].rows, (row) => row.cells[column].dataset.value).filter((v) => v !== undefined);
    const isNumeric = values.every((value) => value !== "" && Number.isFinite(Number(value)));
    const current = heading.getAttribute("aria-sort");
    const first = isNumeric ? "descending" : "ascending";
    const next = current === null ? first : current === "ascending" ? "descending" : "ascending";
    headings.forEach((one) => one.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const rows = Array.from(table.tBodies[0].rows, (row) => [valueOf(row, column, isNumeric), row]);
    const known = rows.filter(([value]) => value !== null).sort(([a], [b]) => sign * compare(a, b, isNumeric));
    const unknown = rows.filter(([value]) => value === null);
    table.tBodies[0].append(...[...known, ...unknown].map(([, row]) => row));
  }

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    if (table.tBodies[0].rows.length < 2) continue;
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sort(table, column));
      heading.replaceChildren(button);
    });
  }
})();
