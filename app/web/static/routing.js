/**
 * Who does not know, the model or the people: what the newest round that routes decided, clip by clip, and why.
 */

import { call } from "./api.js";
import { el, replace } from "./dom.js";

const ROWS = 25;
const DECISIONS = {
  new: "Nobody answered yet",
  ask: "One more is asked",
  adjudicate: "An adjudicator decides",
  ambiguous: "Accepted as ambiguous",
  settled: "Settled",
};

const find = (name) => document.querySelector(`[data-routing-${name}]`);
const percent = (share) => `${Math.round(100 * share)} %`;

/** How many rows are shown: what was asked for with “Show more” stays when the page asks anew. */
let shown = ROWS;

/** @param {string} project @returns {Promise<void>} */
export async function paintRouting(project) {
  const told = await call("GET", `/projects/${project}/routing?limit=${Math.min(shown, 1000)}`);
  find("section").hidden = told.round === null;
  if (told.round === null) return;
  find("note").textContent =
    `Round ${told.round} asks one more person where that pays, at most ${told.rule.limit} a clip. ` +
    "“Model unsure” is the entropy of its guess, or of the base rates where it has not guessed.";
  replace(
    find("counts"),
    Object.entries(DECISIONS).map(([name, title]) =>
      el("div", {}, el("dt", {}, title), el("dd", {}, told.counts[name].toLocaleString("en"))),
    ),
  );
  find("table").hidden = !told.items.length;
  replace(find("rows"), told.items.map(row));
  const more = find("more");
  more.hidden = told.next_after === null;
  more.onclick = () => {
    shown += 4 * ROWS;
    return paintRouting(project);
  };
}

function row(one) {
  const state = one.holds ? "" : " (answers changed since: decided anew with the next)";
  const over = one.decision === "ask" && !one.waiting;
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, one.clip_id),
    el("td", {}, over ? "Would ask one more" : DECISIONS[one.decision]),
    el("td", {}, one.label ?? "–"),
    el("td", { class: "figure" }, one.n_answers),
    el("td", { class: "figure" }, percent(one.uncertainty)),
    el("td", { class: "figure" }, percent(one.confidence)),
    el("td", { class: "reason" }, `${one.reason}${state}`),
  );
}
