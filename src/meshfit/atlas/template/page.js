// What surrounds the table: axes, filters, theme, and the keys that work everywhere.

function share(axis, outcome) {
  return classes.filter((one) => (one.cells.get(axis.name) ?? []).some((cell) => cell.outcome === outcome)).length;
}

function drawAxes() {
  byId("axes").innerHTML = axes.map((axis) => {
    const counts = outcomes.map((outcome) => share(axis, outcome));
    const all = classes.filter((one) => one.cells.has(axis.name)).length;
    const told = outcomes.map((outcome, n) => (counts[n] ? `${counts[n]} ${outcome.name}` : "")).filter(Boolean).join(", ");
    const bar = outcomes.map((outcome, n) => (counts[n] ? `<i class="${outcome.word}" style="flex-grow:${counts[n]}"></i>` : ""));
    return `<button type="button" class="axis" data-axis="${escaped(axis.name)}" title="${escaped(told)}"`
      + ` aria-pressed="${state.axis === axis.name}"><span class="name">${escaped(axis.name)}</span>`
      + `<span class="words">${escaped(axis.words.replace(" parallelism", ""))}</span>`
      + `<span class="share"><b>${counts[0]}</b><span class="of"> of ${all}</span><span class="unseen"> work</span></span>`
      + `<span class="bar" aria-hidden="true">${bar.join("")}</span></button>`;
  }).join("");
}

function drawOutcomes() {
  byId("outcomes").innerHTML = outcomes.map((outcome) => {
    const count = shownAxes().reduce((sum, axis) => sum + share(axis, outcome), 0);
    return `<button type="button" class="chip cell ${outcome.word}" data-outcome="${outcome.word}"`
      + ` aria-pressed="${state.outcomes.has(outcome.word)}" title="${escaped(outcome.meaning)}"`
      + ` ${count || state.outcomes.has(outcome.word) ? "" : "disabled"}><b aria-hidden="true">${outcome.sign}</b>`
      + ` ${escaped(outcome.name)} <span class="number">${count}</span></button>`;
  }).join("");
}

function draw() {
  const focused = document.activeElement?.closest?.("[data-axis], [data-outcome]");
  const again = focused && !focused.closest("table")
    && (focused.dataset.outcome ? `[data-outcome="${focused.dataset.outcome}"]` : `.axis[data-axis="${focused.dataset.axis}"]`);
  drawAxes();
  drawOutcomes();
  drawTable();
  if (byId("search").value !== state.q) byId("search").value = state.q;
  byId("disagree").checked = state.disagree;
  if (again) document.querySelector(again)?.focus();
  writeFragment();
}

function restore() {
  readFragment();
  draw();
  // a class is an identifier, so the first slash ends it
  if (state.open) openCell(...state.open.split("/"));
  else if (dialog.open) dialog.close();
}

byId("axes").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  state.axis = state.axis === button.dataset.axis ? "" : button.dataset.axis;
  if (state.axis && state.sort !== "class") state.sort = state.axis;
  draw();
});

byId("outcomes").addEventListener("click", (event) => {
  const word = event.target.closest("button")?.dataset.outcome;
  if (!word) return;
  if (!state.outcomes.delete(word)) state.outcomes.add(word);
  draw();
});

byId("search").addEventListener("input", (event) => {
  state.q = event.target.value;
  drawTable();
  writeFragment();
});

byId("disagree").addEventListener("change", (event) => {
  state.disagree = event.target.checked;
  draw();
});

byId("reset").addEventListener("click", () => {
  const { sort, down } = state;
  state = { ...fresh(), sort, down };
  draw();
  byId("search").focus();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const search = byId("search");
  if (event.key === "/" && event.target !== search) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search) {
    state.q = "";
    draw();
  } else if (event.key === "ArrowDown" && event.target === search) {
    event.preventDefault();
    table.querySelector('button.cell[tabindex="0"]')?.focus();
  }
});

const themes = { system: "◐ System", light: "☀ Light", dark: "☾ Dark" };

function setTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  byId("theme").textContent = themes[name];
  byId("theme").setAttribute("aria-label", `Colours: ${name}. Change`);
  byId("theme").dataset.theme = name;
}

// a page from the disk may be denied a place to remember
const remembered = { get: () => { try { return localStorage.getItem("meshfit-theme"); } catch { return null; } },
  set: (name) => { try { localStorage.setItem("meshfit-theme", name); } catch { /* it is then forgotten */ } } };

byId("theme").addEventListener("click", () => {
  const names = Object.keys(themes);
  const next = names[(names.indexOf(byId("theme").dataset.theme) + 1) % names.length];
  setTheme(next);
  remembered.set(next);
});

byId("lead").textContent = `What happened when small twins of ${plural(classes.length, "class", "classes")} of transformers`
  + " ran on real ranks, each compared with one process.";
byId("made").textContent = data.made;
setTheme(remembered.get() in themes ? remembered.get() : "system");
window.addEventListener("hashchange", restore);
restore();
