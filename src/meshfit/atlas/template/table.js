// The table: a grid with one cell that Tab reaches, and arrow keys from there.

const table = byId("atlas");
const collator = new Intl.Collator("en", { sensitivity: "base", numeric: true });

function cellHtml(one, axis) {
  const cells = one.cells.get(axis.name);
  if (!cells) return `<td role="gridcell" class="none" data-axis="${escaped(axis.name)}"><span>–</span></td>`;
  const cell = worst(cells);
  const { word, sign, name } = cell.outcome;
  const differs = cells.some((each) => each.disagrees);
  const but = word === "works" ? cell.reason : "";
  const label = `${one.name}, ${axis.name}: ${name}${but && ` ${but}`}${differs ? ", rules say otherwise" : ""}`;
  const more = cells.length > 1 ? ` <small>×${cells.length}</small>` : "";
  return `<td role="gridcell" data-axis="${escaped(axis.name)}"><button type="button" class="cell ${word}" tabindex="-1"`
    + ` data-class="${escaped(one.name)}" data-axis="${escaped(axis.name)}" aria-label="${escaped(label)}"`
    + ` aria-haspopup="dialog"><b aria-hidden="true">${sign}</b> ${word}${but && "*"}${more}`
    + `${differs ? '<span class="mark" aria-hidden="true">◆</span>' : ""}</button></td>`;
}

function whyHtml(one, axis) {
  const cells = one.cells.get(axis.name);
  const cell = cells && worst(cells);
  return `<td role="gridcell" class="step">${escaped(cell ? cell.step : "")}</td>`
    + `<td role="gridcell" class="why"><span>${escaped(cell ? cell.reason : "")}</span></td>`;
}

function headHtml(name, label, title) {
  const sorted = state.sort === name ? (state.down ? "descending" : "ascending") : "none";
  const arrow = { none: "", ascending: " ↑", descending: " ↓" }[sorted];
  return `<th scope="col" role="columnheader" aria-sort="${sorted}"><button type="button" data-sort="${escaped(name)}"`
    + ` title="${escaped(title)}">${escaped(label)}<span aria-hidden="true">${arrow}</span></button></th>`;
}

function drawHead() {
  const more = state.axis ? '<th scope="col" role="columnheader">step</th><th scope="col" role="columnheader">why</th>' : "";
  table.tHead.innerHTML = `<tr role="row">${headHtml("class", "class", "Sort by name")}`
    + shownAxes().map((axis) => headHtml(axis.name, axis.name, `${axis.words}: sort by outcome`)).join("")
    + `${more}</tr>`;
}

let drawnFor = null;

function drawBody() {
  if (drawnFor === state.axis) return;
  drawnFor = state.axis;
  const columns = shownAxes();
  table.classList.toggle("single", Boolean(state.axis));
  table.tBodies[0].innerHTML = classes.map((one) =>
    `<tr role="row"><th scope="row" role="rowheader" aria-label="${escaped(one.name)}">`
    + `${escaped(one.name).replace(/(?=For[A-Z])/, "<wbr>")}</th>`
    + columns.map((axis) => cellHtml(one, axis)).join("")
    + `${state.axis ? whyHtml(one, columns[0]) : ""}</tr>`).join("");
  [...table.tBodies[0].rows].forEach((row, number) => { classes[number].row = row; });
}

function compare(one, other) {
  const names = collator.compare(one.name, other.name);
  if (state.sort === "class") return names;
  const [place, otherPlace] = [one, other].map((each) => {
    const cells = each.cells.get(state.sort);
    return cells ? outcomes.indexOf(worst(cells).outcome) : outcomes.length;
  });
  return place - otherPlace || (state.down ? -names : names);
}

let order = [];
let orderedBy = "";

function drawTable() {
  drawHead();
  const redrawn = drawnFor !== state.axis;
  drawBody();
  const asked = `${state.sort} ${state.down}`;
  if (redrawn || asked !== orderedBy) {
    orderedBy = asked;
    order = [...classes].sort(compare);
    if (state.down) order.reverse();
    table.tBodies[0].append(...order.map((one) => one.row));
  }
  const choosy = state.outcomes.size || state.disagree;
  let shown = 0;
  for (const one of order) {
    one.row.hidden = !isShown(one);
    shown += one.row.hidden ? 0 : 1;
    for (const button of one.row.querySelectorAll("button.cell")) {
      button.classList.toggle("dim", Boolean(choosy && !one.cells.get(button.dataset.axis).some(isAsked)));
    }
  }
  table.hidden = shown === 0;
  byId("nothing").hidden = shown > 0;
  byId("count").textContent = isFiltered() ? `${shown} of ${plural(classes.length, "class", "classes")}`
    : plural(classes.length, "class", "classes");
  byId("reset").hidden = !isFiltered();
  keepOneTabStop();
}

const rowCells = (row) => [...row.querySelectorAll("button.cell")];
const shownRows = () => order.filter((one) => !one.row.hidden).map((one) => one.row);

function keepOneTabStop(chosen) {
  const current = table.querySelector('button.cell[tabindex="0"]');
  let next = chosen ?? current;
  if (!next || next.closest("tr").hidden) next = shownRows().flatMap(rowCells)[0];
  if (current && current !== next) current.tabIndex = -1;
  if (next) next.tabIndex = 0;
}

// The cell that an arrow key leads to from another: the nearest that exists, in the same column where it can be.
function neighbour(button, key) {
  const rows = shownRows();
  const row = button.closest("tr");
  const cells = rowCells(row);
  const column = cells.indexOf(button);
  if (key === "ArrowLeft") return cells[column - 1];
  if (key === "ArrowRight") return cells[column + 1];
  if (key === "Home") return cells[0];
  if (key === "End") return cells[cells.length - 1];
  const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 }[key];
  if (!step) return undefined;
  const place = Math.min(rows.length - 1, Math.max(0, rows.indexOf(row) + step));
  const there = rowCells(rows[place]);
  return there.find((cell) => cell.dataset.axis === button.dataset.axis) ?? there[0];
}

table.addEventListener("keydown", (event) => {
  const button = event.target.closest("button.cell");
  if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
  const next = neighbour(button, event.key);
  if (!next) return;
  event.preventDefault();
  keepOneTabStop(next);
  next.focus();
});

table.addEventListener("click", (event) => {
  const head = event.target.closest("button[data-sort]");
  if (head) {
    const name = head.dataset.sort;
    state.down = state.sort === name ? !state.down : false;
    state.sort = name;
    draw();
    table.querySelector(`button[data-sort="${CSS.escape(name)}"]`).focus();
    return;
  }
  const button = event.target.closest("button.cell");
  if (button) {
    keepOneTabStop(button);
    openCell(button.dataset.class, button.dataset.axis);
  }
});
