"use strict";

// The data of the page, and what the reader asked of it. The URL's fragment holds the latter, so that a link shows
// what its sender saw.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const text = (number) => data.pool[number];
const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (value) => String(value).replace(/[&<>"']/g, (sign) => escapes[sign]);
const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

const outcomes = data.outcomes.map(([name, word, sign, meaning]) => ({ name, word, sign, meaning }));
const axes = data.axes.map(([name, words]) => ({ name, words }));
const pooled = ["mesh", "step", "reason", "placed", "sizes", "versions", "date", "engine", "backend", "refused_by",
  "class_digest", "structure"];

function cellOf(row) {
  const cell = Object.fromEntries(data.columns.map((name, number) => [name, row[number]]));
  for (const name of pooled) cell[name] = text(cell[name]);
  cell.outcome = outcomes[cell.outcome];
  cell.notes = cell.notes.map(text);
  cell.compared = cell.compared.map(([name, state, error, where]) =>
    ({ name: text(name), state: text(state), error, where: text(where) }));
  return cell;
}

// The worst proof stands for several of one class and axis.
const worst = (cells) => cells.reduce((one, other) =>
  outcomes.indexOf(other.outcome) > 0 && outcomes.indexOf(one.outcome) === 0 ? other : one);

const classes = data.classes.map(([name, columns]) => {
  const cells = new Map();
  columns.forEach((rows, number) => {
    if (rows.length) cells.set(axes[number].name, rows.map(cellOf));
  });
  const reasons = [...cells.values()].flat().map((cell) => cell.reason);
  return { name, cells, haystack: [name, ...new Set(reasons)].join("\n").toLowerCase() };
});

const fresh = () => ({ q: "", axis: "", outcomes: new Set(), disagree: false, sort: "class", down: false, open: "" });
let state = fresh();

function readFragment() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const known = new Set(axes.map((axis) => axis.name));
  state = fresh();
  state.q = asked.get("q") ?? "";
  state.axis = known.has(asked.get("axis")) ? asked.get("axis") : "";
  state.outcomes = new Set((asked.get("outcome") ?? "").split(",").filter((w) => outcomes.some((o) => o.word === w)));
  state.disagree = asked.has("disagree");
  const sort = asked.get("sort") ?? "";
  state.down = sort.startsWith("-");
  state.sort = known.has(sort.replace("-", "")) ? sort.replace("-", "") : "class";
  state.open = asked.get("open") ?? "";
}

function writeFragment() {
  const told = new URLSearchParams();
  if (state.q) told.set("q", state.q);
  if (state.axis) told.set("axis", state.axis);
  if (state.outcomes.size) told.set("outcome", [...state.outcomes].join(","));
  if (state.disagree) told.set("disagree", "1");
  if (state.sort !== "class" || state.down) told.set("sort", (state.down ? "-" : "") + state.sort);
  if (state.open) told.set("open", state.open);
  const fragment = told.toString();
  if (fragment !== location.hash.slice(1)) {
    history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
  }
}

const isFiltered = () => Boolean(state.q || state.axis || state.outcomes.size || state.disagree);
const shownAxes = () => axes.filter((axis) => !state.axis || axis.name === state.axis);

function isAsked(cell) {
  return (!state.outcomes.size || state.outcomes.has(cell.outcome.word)) && (!state.disagree || cell.disagrees);
}

function isShown(one) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => one.haystack.includes(word))
    && shownAxes().some((axis) => (one.cells.get(axis.name) ?? []).some(isAsked));
}
