"use strict";
// Filter tables: rows with every word of the query, in any column, stay; a foot line always does.
(() => {
  for (const input of document.querySelectorAll("input[data-filters]")) {
    const table = document.getElementById(input.dataset.filters);
    const box = input.closest(".filter");
    const told = box.querySelector("[role=status]");
    const rows = Array.from(table.tBodies[0].rows, (row) => [row, row.textContent.replace(/\s+/g, " ").toLowerCase()]);
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const [row, text] of rows) {
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      told.textContent = words.length ? `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} lines` : "";
    };
    const caption = table.caption.textContent.trim();
    input.setAttribute("aria-label", `Filter: ${caption}`);
    input.addEventListener("input", apply);
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || input.value === "") return;
      event.preventDefault();
      input.value = "";
      apply();
    });
    box.hidden = false;
  }
})();
