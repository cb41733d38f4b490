/**
 * Groups side by side: figures of each, and the gaps between them. Takes what `figures.fairness` of the API holds.
 */

import { el } from "./dom.js";
import { percent } from "./words.js";

const GAPS = {
  equal_opportunity: "Equality of opportunity",
  statistical_parity: "Statistical parity",
  demographic_parity: "Demographic parity",
};
const MEANINGS = {
  equal_opportunity: "how differently a class is recognised where it is there",
  statistical_parity: "how differently often a class is named",
  demographic_parity: "how differently often a class is named and there",
};

/**
 * @param {Record<string, object>} fairness column → groups, gaps and notes, or the reason why there are none
 * @param {string[]} classes of the scheme
 * @param {number | null} limit above which a gap is a warning
 * @returns {HTMLElement[]}
 */
export function fairnessPanels(fairness, classes, limit) {
  return Object.entries(fairness).map(([column, found]) => {
    const title = el("h3", {}, column);
    if (found.reason) return el("div", { class: "groups" }, title, el("p", { class: "muted" }, sentence(found.reason)));
    const notes = found.notes.map((note) => el("li", {}, sentence(note)));
    return el(
      "div",
      { class: "groups" },
      title,
      scrolled(`Groups by ${column}`, groupTable(found.groups)),
      ...gapTable(column, found, classes, limit),
      notes.length ? el("ul", { class: "notes muted" }, ...notes) : null,
    );
  });
}

function groupTable(groups) {
  const rows = groups.map((group) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, group.name),
      el("td", { class: "figure" }, group.n),
      el("td", { class: "figure" }, el("b", {}, percent(group.uar)), " ", between(group.uar_low, group.uar_high)),
      el("td", { class: "figure" }, percent(group.wa), " ", between(group.wa_low, group.wa_high)),
    ),
  );
  const figures = ["Clips", "UAR, % [95 %]", "WA, % [95 %]"].map((name) => heading(name, true));
  const head = [heading("Group"), ...figures];
  return el("table", { class: "small" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

function gapTable(column, found, classes, limit) {
  const rows = Object.entries(GAPS)
    .filter(([name]) => found[name])
    .map(([name, said]) => gapRow(found[name], said, MEANINGS[name], classes, limit));
  if (!rows.length) return [];
  const head = [heading("Gap"), heading("Largest [95 %]", true), heading("On")];
  const table = el("table", { class: "small" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  return [scrolled(`Gaps between groups by ${column}`, table)];
}

function gapRow(gap, said, meaning, classes, limit) {
  const over = limit !== null && gap.maximum > limit;
  const where = gap.per_class.indexOf(Math.max(...gap.per_class.map((one) => one ?? -1)));
  const pill = over ? el("span", { class: "pill over" }, `above ${limit}`) : null;
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, said, el("span", { class: "meaning muted" }, meaning)),
    el("td", { class: "figure" }, el("b", {}, gap.maximum.toFixed(2)), " ", spread(gap)),
    el("td", {}, classes[where] ?? "", pill ? " " : null, pill),
  );
}

/** Rows that may be wider than a phone. */
export function scrolled(label, table) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

/** @param {string} text @param {boolean} [figure] */
export const heading = (text, figure = false) => el("th", { scope: "col", class: figure && "figure" }, text);

const between = (low, high) => `[${percent(low)}–${percent(high)}]`;
const spread = ({ maximum_low: low, maximum_high: high }) => `[${low.toFixed(2)}–${high.toFixed(2)}]`;

/** @param {string} text @returns {string} with a capital and a full stop */
export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;
