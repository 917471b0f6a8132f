"use strict";
// Draw the charts, in the colours of the scheme in use, at the width there is.
(async () => {
  const NARROW_PX = 640;
  const PRINT_PX = 672;
  const { figures, dark } = JSON.parse(document.getElementById("figures").textContent);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const config = { displayModeBar: false, displaylogo: false, showLink: false, scrollZoom: false, doubleClick: false, responsive: false };

  async function loadPlotly() {
    const bytes = Uint8Array.from(atob(document.getElementById("plotly-code").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  function recoloured(value) {
    if (typeof value === "string") return dark[value] ?? value;
    if (Array.isArray(value)) return value.map(recoloured);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, recoloured(inner)]));
  }

  function draw(box, isDark, width) {
    const figure = structuredClone(figures[box.id]);
    const { data, layout, narrow } = isDark ? recoloured(figure) : figure;
    const fitted = width < NARROW_PX ? { ...layout, ...narrow } : layout;
    box.style.height = `${fitted.height}px`;
    const font = { ...fitted.font, family: getComputedStyle(document.body).fontFamily };
    return Plotly.react(box, data, { ...fitted, font, width }, config);
  }

  const boxes = Array.from(document.querySelectorAll(".chart"));
  const drawAll = () => boxes.map((box) => draw(box, scheme.matches, box.clientWidth));

  try {
    await loadPlotly();
  } catch {
    for (const box of boxes) {
      box.style.height = "auto";
      box.textContent = "This browser is too old to draw the chart; its numbers are in the tables.";
    }
    return;
  }
  await Promise.all(drawAll());
  document.documentElement.dataset.charts = "drawn";

  let isPrinting = false;
  let timer = 0;
  const widths = new Map(boxes.map((box) => [box, box.clientWidth]));
  const watcher = new ResizeObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (isPrinting) return;
      for (const box of boxes) {
        if (box.clientWidth && box.clientWidth !== widths.get(box)) {
          widths.set(box, box.clientWidth);
          draw(box, scheme.matches, box.clientWidth);
        }
      }
    }, 120);
  });
  boxes.forEach((box) => watcher.observe(box));
  scheme.addEventListener("change", drawAll);

  // On paper: light, as wide as a page, and nothing folded away but the tables that say what a chart beside them says.
  let folded = [];
  addEventListener("beforeprint", () => {
    isPrinting = true;
    folded = Array.from(document.querySelectorAll("details:not([open], .behind)"));
    folded.forEach((one) => { one.open = true; });
    for (const box of boxes) draw(box, false, box.closest(".pair") ? PRINT_PX / 2 - 24 : PRINT_PX);
  });
  addEventListener("afterprint", () => {
    isPrinting = false;
    folded.forEach((one) => { one.open = false; });
    drawAll();
  });
})();
