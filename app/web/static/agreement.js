/**
 * How far annotators agree: figures of all, of each class and dimension, of each annotator, pair by pair. Asked anew
 * while the page is looked at.
 */

import { call } from "./api.js";
import { el, replace } from "./dom.js";
import { course, range } from "./range.js";
import { paintRouting } from "./routing.js";

const EVERY_MS = 15_000;
const STEPS = [0, 0.2, 0.4, 0.6];

const find = (name) => document.querySelector(`[data-${name}]`);
const { project } = JSON.parse(document.querySelector("main").dataset.config);

async function ask() {
  try {
    const paths = [`/projects/${project}/agreement`, `/projects/${project}/annotators`];
    const [agreement, annotators] = await Promise.all(paths.map((path) => call("GET", path)));
    find("notice").hidden = true;
    paint(agreement, annotators.items);
    await paintRouting(project);
  } catch (error) {
    find("notice").hidden = false;
    find("notice").textContent = `The figures could not be read: ${error.message}`;
  }
}

function paint(agreement, annotators) {
  find("strip").hidden = false;
  headline("alpha", agreement.alpha, "needs two answers to a clip");
  headline("kappa", agreement.kappa, "needs ten clips in common");
  find("clips").textContent = agreement.n_clips.toLocaleString("en");
  find("answers").textContent = `${agreement.n_answers.toLocaleString("en")} answers`;
  const rows = [...classRows(agreement.per_class), ...dimensionRows(agreement.dimensions)];
  find("classes-section").hidden = !rows.length;
  replace(find("classes"), rows);
  find("nobody").hidden = annotators.length > 0;
  replace(
    find("annotators"),
    annotators.map((one) => annotator(one, agreement.per_annotator[one.annotator])),
  );
  find("pairs-section").hidden = !agreement.pairs.length;
  replace(find("pairs"), pairs(agreement.pairs));
}

function headline(name, figure, otherwise) {
  find(name).textContent = figure ? figureOf(figure.value) : "–";
  find(`${name}-interval`).textContent = figure ? bracket(figure) : otherwise;
}

function classRows(perClass) {
  return Object.entries(perClass).flatMap(([name, figure]) => (figure ? [row(name, figure)] : []));
}

function dimensionRows(dimensions) {
  return Object.entries(dimensions).flatMap(([name, { interval, ordinal }]) => [
    ...(interval ? [row(name, interval, "of values")] : []),
    ...(ordinal ? [row(name, ordinal, "of ranks")] : []),
  ]);
}

function row(name, figure, note = "") {
  const told = note ? [name, " ", el("span", { class: "muted" }, note)] : [name];
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, ...told),
    el("td", {}, range(figure)),
    el("td", { class: "figure" }, `${figureOf(figure.value)} ${bracket(figure)}`),
    el("td", { class: "figure" }, figure.n_clips),
  );
}

function annotator(one, kappa) {
  const asides = [
    one.n_unclear ? `${one.n_unclear} unclear` : "",
    skips(one.skipped),
    one.withdrawn ? `${one.withdrawn} taken back` : "",
    one.revised ? `${one.revised} revised` : "",
    one.qualification ? `test ${one.qualification}` : "",
  ].filter(Boolean);
  const head = el(
    "div",
    { class: "annotator-head" },
    el("h3", {}, one.annotator),
    el("span", { class: "muted" }, [`${one.n} answers`, ...asides].join(" · ")),
  );
  const talk = one.flags.length ? el("ul", { class: "talk" }, ...one.flags.map((flag) => el("li", {}, flag))) : null;
  return el("article", { class: "annotator" }, head, el("dl", { class: "marks" }, ...marks(one, kappa)), talk);
}

function skips(skipped) {
  const n = Object.values(skipped).reduce((sum, count) => sum + count, 0);
  return n ? `${n} skipped` : "";
}

function marks({ gold, consensus, consistency, pace, days }, kappa) {
  return [
    share("Known answers right", gold),
    share("As most others", consensus),
    share("As before, when asked again", consistency),
    kappa && mark("κ with the others", figureOf(kappa.value), bracket(kappa)),
    pace && mark("Seconds a clip", pace.seconds.toFixed(1), `${pace.ratio.toFixed(1)} × its length`),
    pace && share("Before the clip had ended", pace.hurried),
    days.length > 1 ? trend(days) : null,
  ].filter(Boolean);
}

/** A share with its interval; nothing before there is something to count. */
const share = (title, { value, low, high, n }) =>
  n
    ? mark(title, `${Math.round(100 * value)} %`, `[${Math.round(100 * low)}–${Math.round(100 * high)}] of ${n}`)
    : null;

const mark = (title, figure, note) =>
  el("div", {}, el("dt", {}, title), el("dd", {}, el("b", {}, figure), " ", el("small", {}, note)));

function trend(days) {
  const values = days.map(({ agreement }) => agreement.value ?? 0);
  const told = `from ${Math.round(100 * values[0])} % to ${Math.round(100 * values.at(-1))} % in ${days.length} days`;
  const picture = el("dd", {}, course(values), el("small", {}, told));
  return el("div", {}, el("dt", {}, "As most others, by day"), picture);
}

/** Everybody against everybody. */
function pairs(all) {
  const names = [...new Set(all.flatMap(({ first, second }) => [first, second]))].sort();
  const kappa = new Map(
    all.flatMap((pair) => [
      [`${pair.first}\0${pair.second}`, pair],
      [`${pair.second}\0${pair.first}`, pair],
    ]),
  );
  const head = el("tr", {}, el("td", { class: "self" }), ...names.map((name) => el("th", { scope: "col" }, name)));
  const rows = names.map((name) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      ...names.map((other) => cell(kappa.get(`${name}\0${other}`), name === other)),
    ),
  );
  return [el("thead", {}, head), el("tbody", {}, ...rows)];
}

function cell(pair, self) {
  if (self) return el("td", { class: "self" }, "");
  if (!pair) return el("td", {}, "–");
  const step = STEPS.filter((from) => pair.kappa.value >= from).length;
  const title = `${bracket(pair.kappa)}, ${pair.kappa.n_clips} clips`;
  return el("td", { class: `k${step}`, title }, figureOf(pair.kappa.value));
}

/** Two decimals and a real minus. */
const figureOf = (value) => value.toFixed(2).replace("-", "−");
const bracket = ({ low, high }) => (low === null || high === null ? "" : `[${figureOf(low)}, ${figureOf(high)}]`);

ask();
setInterval(() => document.visibilityState === "visible" && ask(), EVERY_MS);
