"use strict";
// The row browser: search, filters, pages. Rows are shown as text (textContent), never as markup.
(() => {
  const browser = document.getElementById("browser");
  if (browser === null) return;
  const PAGE_ROWS = 20;
  const FOLD_CHARACTERS = 320;
  const data = JSON.parse(document.getElementById("row-data").textContent);
  const fields = ["id", "text", "pair", "label", "by", "reason", "because", "source", "arms"];
  const rows = data.rows.map((values) => {
    const row = Object.fromEntries(fields.map((name, k) => [name, values[k]]));
    row.haystack = [row.text, row.pair, row.because, row.id, row.source].join("\n").toLowerCase();
    return row;
  });
  const armsWithRows = new Set(rows.flatMap((row) => row.arms)).size;
  const form = browser.querySelector("form");
  const list = document.getElementById("row-list");
  const found = document.getElementById("rows-found");
  const reset = document.getElementById("rows-reset");
  const pageText = document.getElementById("rows-page");
  const ANY = "";
  let matching = rows;
  let page = 0;

  // What each filter tells apart: for a row, the values it counts under.
  const filters = {
    fate: (row) => [row.by ? "dropped" : "kept"],
    label: (row) => [row.label],
    reason: (row) => (row.by ? [row.reason] : []),
    by: (row) => (row.by ? [row.by] : []),
    arm: (row) => row.arms.map((place) => data.arms[place]),
  };

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function fillSelect(name) {
    const counts = new Map();
    for (const row of rows) for (const value of filters[name](row)) counts.set(value, (counts.get(value) ?? 0) + 1);
    const select = form.elements[name];
    const all = element("option", "", "All");
    all.value = ANY;
    select.append(all);
    // a value is told by its place, so that a label may have any text, even none
    const values = Array.from(counts.keys()).sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
    values.forEach((value, place) => {
      const option = element("option", "", `${value === "" ? "no label" : value} (${counts.get(value).toLocaleString("en")})`);
      option.value = String(place);
      select.append(option);
    });
    return values;
  }

  const options = Object.fromEntries(Object.keys(filters).map((name) => [name, fillSelect(name)]));

  function isMatch(row, words, chosen) {
    return chosen.every(([name, value]) => filters[name](row).includes(value)) && words.every((word) => row.haystack.includes(word));
  }

  function filter() {
    const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = Object.keys(filters)
      .filter((name) => form.elements[name].value !== ANY)
      .map((name) => [name, options[name][Number(form.elements[name].value)]]);
    matching = rows.filter((row) => isMatch(row, words, chosen));
    reset.hidden = words.length === 0 && chosen.length === 0;
    page = 0;
    show();
  }

  function textOf(text) {
    const made = element("p", "text", text);
    made.dir = "auto";
    if (text.length <= FOLD_CHARACTERS && text.split("\n").length <= 4) return [made];
    made.classList.add("folded");
    const button = element("button", "plain", "Show all");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => {
      const isFolded = made.classList.toggle("folded");
      button.textContent = isFolded ? "Show all" : "Show less";
      button.setAttribute("aria-expanded", String(!isFolded));
    });
    return [made, button];
  }

  function metaOf(row) {
    const meta = element("div", "meta");
    const fate = element("p");
    fate.append(element("span", row.by ? "fate dropped" : "fate", row.by ? "Dropped" : "Kept"), " ");
    fate.append(element("bdi", "tag", row.label || "no label"));
    meta.append(fate);
    const why = row.by ? [`${row.by}: ${row.because}`] : [];
    const arms = row.arms.length === armsWithRows ? [] : [`In ${row.arms.map((place) => data.arms[place]).join(", ")}`];
    for (const line of [...why, ...arms, row.source ? `${row.id}, ${row.source}` : row.id]) {
      const made = element("p", "", line);
      made.dir = "auto";
      meta.append(made);
    }
    return meta;
  }

  function itemOf(row) {
    const item = element("li");
    const texts = element("div");
    texts.append(...textOf(row.text), ...(row.pair ? textOf(row.pair) : []));
    item.append(texts, metaOf(row));
    return item;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(matching.length / PAGE_ROWS));
    page = Math.min(Math.max(page, 0), pages - 1);
    const start = page * PAGE_ROWS;
    list.start = start + 1;
    list.replaceChildren(...matching.slice(start, start + PAGE_ROWS).map(itemOf));
    const all = rows.length.toLocaleString("en");
    const some = matching.length.toLocaleString("en");
    found.textContent = matching.length === rows.length ? `${all} rows` : `${some} of ${all} rows`;
    pageText.textContent = `Page ${(page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
    for (const button of browser.querySelectorAll(".pager button")) {
      const isBack = ["first", "previous"].includes(button.dataset.step);
      // aria-disabled instead of disabled, so that the focus stays on the button
      button.setAttribute("aria-disabled", String(isBack ? page === 0 : page === pages - 1));
    }
  }

  const steps = { first: () => 0, previous: () => page - 1, next: () => page + 1, last: () => Infinity };
  for (const button of browser.querySelectorAll(".pager button")) {
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      page = steps[button.dataset.step]();
      show();
      if (list.getBoundingClientRect().top < 0) form.scrollIntoView();
    });
  }
  let timer = 0;
  form.elements.search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 90);
  });
  for (const name of Object.keys(filters)) form.elements[name].addEventListener("change", filter);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
  });
  reset.addEventListener("click", () => {
    form.reset();
    filter();
    form.elements.search.focus();
  });
  browser.hidden = false;
  show();
})();
