// The evidence of one cell, in a dialog. Arrow keys lead to the neighbours of the cell without closing it.

const dialog = byId("dialog");

function figure(value) {
  if (value === null) return "";
  return value === 0 || Math.abs(value) >= 0.001 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
}

function entry(name, html) {
  return html ? `<dt>${name}</dt><dd>${html}</dd>` : "";
}

function comparedHtml(compared) {
  const [first] = compared;
  if (!first) return "";
  if (compared.every((each) => each.state === "left out" && each.where === first.where)) {
    return `<dl>${entry("compared", `nothing: ${escaped(first.where)}`)}</dl>`;
  }
  const rows = compared.map((each) => `<tr class="${each.state.replace(" ", "-")}"><th scope="row">${escaped(each.name)}</th>`
    + `<td>${escaped(each.state)}</td><td class="figure">${figure(each.error)}</td><td>${escaped(each.where)}</td></tr>`);
  return '<table class="compared"><thead><tr><th scope="col">compared</th><th scope="col">result</th>'
    + '<th scope="col" class="figure" title="relative to the largest value compared">deviation</th>'
    + `<th scope="col">where</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function rulesHtml(cell) {
  if (cell.outcome.word === "undecided") return "";
  const said = cell.refused_by ? `refuse it: ${escaped(cell.refused_by)}` : "have no error";
  return cell.disagrees ? `<span class="mark">◆</span> ${said}, unlike what happened` : said;
}

function proofHtml(one, cell) {
  const { word, sign, name, meaning } = cell.outcome;
  const command = `meshfit verify ${one.name} --mesh ${cell.mesh}`;
  const failed = cell.step ? `${cell.step}${cell.rank === null ? "" : `, rank ${cell.rank} first`}` : "";
  return `<section><p class="outcome"><span class="cell ${word}"><b aria-hidden="true">${sign}</b> ${escaped(name)}</span>`
    + ` <code>${escaped(cell.mesh)}</code> <span class="meaning">${escaped(meaning)}</span></p>`
    + `${cell.reason ? `<pre>${escaped(cell.reason)}</pre>` : ""}`
    + `<dl>${entry("ended in", escaped(failed))}${entry("placed", escaped(cell.placed))}`
    + `${entry("rules", rulesHtml(cell))}</dl>${comparedHtml(cell.compared)}`
    + `<dl>${cell.notes.map((note) => entry("note", escaped(note))).join("")}`
    + `${entry("sizes", escaped(cell.sizes))}`
    + `${entry("ran", `under ${escaped(cell.engine)} on ${escaped(cell.backend)}, ${cell.seconds} s, ${cell.memory} MiB on the`
      + " largest rank")}${entry("date", escaped(cell.date))}`
    + `${entry("versions", escaped(cell.versions))}`
    + `${entry("source", cell.class_digest ? `<code>${escaped(cell.class_digest)}</code>` : "")}`
    + `${entry("structure", cell.structure ? `<code>${escaped(cell.structure)}</code>` : "")}`
    + `${entry("again", `<code>${escaped(command)}</code> <button type="button" class="quiet" data-copy="${escaped(command)}">`
      + "Copy</button>")}</dl></section>`;
}

function openCell(name, axisName) {
  const one = classes.find((each) => each.name === name);
  const axis = axes.find((each) => each.name === axisName);
  const cells = one && axis && one.cells.get(axisName);
  if (!cells) {
    state.open = "";
    writeFragment();
    return;
  }
  state.open = `${name}/${axisName}`;
  dialog.innerHTML = `<header><h2 id="dialog-title"><span>${escaped(name)}</span> <small>${escaped(axis.words)}</small></h2>`
    + '<button type="button" class="quiet" data-close aria-label="Close">✕</button></header>'
    + `<div class="body">${cells.map((cell) => proofHtml(one, cell)).join("")}</div>`;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector(".body").scrollTop = 0;
  writeFragment();
}

function cellButton(name, axisName) {
  return table.querySelector(`button.cell[data-class="${CSS.escape(name)}"][data-axis="${CSS.escape(axisName)}"]`);
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "Selected";
  }
}

dialog.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (event.target === dialog || (button && "close" in button.dataset)) dialog.close();
  else if (button && button.dataset.copy) copy(button);
});

dialog.addEventListener("keydown", (event) => {
  if (!event.key.startsWith("Arrow") || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const body = dialog.querySelector(".body");
  // what does not fit is scrolled first
  if (/Up|Down/.test(event.key) && body.scrollHeight > body.clientHeight + 1) return;
  const current = cellButton(...state.open.split("/"));
  const next = current && neighbour(current, event.key);
  if (!next) return;
  event.preventDefault();
  keepOneTabStop(next);
  openCell(next.dataset.class, next.dataset.axis);
  dialog.querySelector("[data-close]").focus();
});

dialog.addEventListener("close", () => {
  const button = state.open && cellButton(...state.open.split("/"));
  state.open = "";
  writeFragment();
  if (button) {
    keepOneTabStop(button);
    button.focus();
  }
});
