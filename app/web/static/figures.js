/**
 * The figures of one checkpoint as elements: headline, confusion, dimensions, two stages. Each takes what the API has.
 */

import { el } from "./dom.js";
import { heading, scrolled, sentence } from "./fairness.js";
import { hundredths, percent } from "./words.js";

const signed = (text, value) => `${value < 0 ? "−" : "+"}${text(Math.abs(value))}`;
const ccc = (value) => (value === null ? "–" : hundredths(value));

/** @param {object} figures @returns {HTMLElement[]} up to four pairs of a name and a figure with its interval */
export function headline({ classes, dimensions }) {
  if (classes) {
    const shown = [
      ["UAR, %", "uar", percent],
      ["Clips right (WA), %", "wa", percent],
      ["Macro F1, %", "macro_f1", percent],
      ["Calibration error", "ece", (value) => value.toFixed(2)],
    ];
    const ends = (key) => [classes[`${key}_low`], classes[`${key}_high`]];
    return shown.map(([name, key, text]) => one(name, text, classes[key], ...ends(key)));
  }
  return dimensions.slice(0, 4).map((of) => one(`CCC of ${of.name}`, ccc, of.ccc, of.ccc_low, of.ccc_high));
}

function one(name, text, value, low, high) {
  const interval = low === null || high === null ? "" : `95 % interval ${text(low)}–${text(high)}`;
  return el("div", {}, el("dt", {}, name), el("dd", {}, text(value)), el("dd", { class: "muted" }, interval));
}

/** @param {object} classes of the figures @returns {HTMLElement} */
export function confusionTable({ names, confusion, per_class_recall: recalls }) {
  const titles = [...names, "recall, %"].map((name) => el("th", { scope: "col" }, el("span", {}, name)));
  const head = [el("td", { class: "corner" }), ...titles];
  const rows = confusion.map((row, i) => {
    const all = row.reduce((sum, n) => sum + n, 0);
    const cells = row.map((n) => el("td", { class: `heat-${heat(all ? n / all : 0)}` }, n));
    const recall = el("td", { class: "recall" }, percent(recalls[i]));
    return el("tr", {}, el("th", { scope: "row" }, names[i]), ...cells, recall);
  });
  const table = el("table", { class: "confusion" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  return scrolled("Confusion of the classes", table);
}

/** A share as one of five shades; nothing at all has none. */
const heat = (share) => (share === 0 ? 0 : Math.min(4, 1 + Math.floor(share * 4)));

/** @param {object[]} dimensions of the figures @returns {HTMLElement} */
export function dimensionTable(dimensions) {
  const rows = dimensions.map((of) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, of.name),
      el("td", { class: "figure" }, el("b", {}, ccc(of.ccc)), ` [${ccc(of.ccc_low)}–${ccc(of.ccc_high)}]`),
      el("td", { class: "figure" }, `${of.rmse.toFixed(2)} [${of.rmse_low.toFixed(2)}–${of.rmse_high.toFixed(2)}]`),
      el("td", { class: "figure" }, of.n),
    ),
  );
  const head = [heading("Dimension"), ...["CCC [95 %]", "RMSE [95 %]", "Clips"].map((name) => heading(name, true))];
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  return scrolled("Figures of the dimensions", table);
}

/**
 * @param {object} stages the report's two_stage
 * @param {string} project the second stage's
 * @returns {HTMLElement[]}
 */
export function stageTable(stages, project) {
  const rows = [
    ["source", stages.project ?? "the first stage"],
    ["target", project],
  ].flatMap(([side, name]) => stageRows(name, stages[side] ?? {}, stages.classes.length > 0));
  const titles = ["Before [95 %]", "After [95 %]", "Change"].map((name) => heading(name, true));
  const head = [heading("Test clips"), ...titles];
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  const link = el("a", { href: `/checkpoints/${stages.checkpoint_id}` }, `checkpoint ${stages.checkpoint_id}`);
  const over = stages.classes.length ? `UAR in per cent over ${stages.classes.join(", ")}` : "CCC";
  const note = el("p", { class: "muted" }, "It began from ", link, `. ${over}.`);
  return [scrolled("Before and after the second stage", table), note];
}

function stageRows(name, { before, after, reason }, hasClasses) {
  const why = reason ?? before?.reason ?? after?.reason;
  if (why || !before) {
    const told = el("td", { colspan: "3" }, sentence(why ?? "not measured"));
    return [el("tr", {}, el("th", { scope: "row" }, name), told)];
  }
  const rows = hasClasses ? [stageRow(name, before.n, percent, before.uar, after.uar, before, after)] : [];
  const more = before.dimensions.map((of, i) => {
    const then = after.dimensions[i];
    return stageRow(`${name}: ${of.name}`, before.n, ccc, of.ccc, then.ccc, of, then);
  });
  return [...rows, ...more];
}

function stageRow(name, n, text, before, after, was, is) {
  const clips = el("span", { class: "meaning muted" }, `${n} clips`);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name, clips),
    el("td", { class: "figure" }, `${text(before)} [${text(was.low)}–${text(was.high)}]`),
    el("td", { class: "figure" }, el("b", {}, text(after)), ` [${text(is.low)}–${text(is.high)}]`),
    el("td", { class: "figure" }, signed(text, after - before)),
  );
}
