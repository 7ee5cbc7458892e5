// Who points at one panel sees the values of that moment in all of them.
const figures = [...document.querySelectorAll("figure")].map((figure) => ({
  figure, values: JSON.parse(figure.dataset.values), cross: figure.querySelector(".cross"), cells: figure.querySelectorAll(".key b"),
}));
const [left, plot, time] = AXIS;
function show(moment) {
  for (const { values, cross, cells } of figures) {
    const near = values.t.reduce((best, at, index) => (Math.abs(at - moment) < Math.abs(values.t[best] - moment) ? index : best), 0);
    const x = 960 * (left + (plot * Math.min(time, values.t[near] ?? 0)) / time);
    cross.setAttribute("x1", x); cross.setAttribute("x2", x); cross.setAttribute("visibility", "visible");
    values.s.forEach((series, index) => { cells[index].textContent = series[near] === null ? "–" : series[near].toLocaleString("en"); });
  }
}
function hide() {
  for (const { cross, cells } of figures) { cross.setAttribute("visibility", "hidden"); cells.forEach((cell) => { cell.textContent = ""; }); }
}
for (const { figure } of figures) {
  const svg = figure.querySelector("svg");
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    show(Math.max(0, ((event.clientX - box.left) / box.width - left) / plot) * time);
  });
  svg.addEventListener("pointerleave", hide);
}
