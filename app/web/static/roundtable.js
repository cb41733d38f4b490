/**
 * The rounds as a table: the figures of the curve, in words a screen reader can read.
 */

import { el, replace } from "./dom.js";
import { intervalOf } from "./measures.js";
import { showReceipts } from "./receipts.js";
import { count, minutes, plain, seconds, strategyName } from "./words.js";

const NONE = "–";

/**
 * @param {HTMLTableSectionElement} body
 * @param {object[]} rounds of GET …/rounds
 * @param {object[]} points of GET …/curve
 * @param {object[]} checkpoints of GET /checkpoints
 * @param {import("./measures.js").Measure} measure
 * @param {{promote: (checkpoint: number) => void, retry: (round: number) => void} | null} operator
 */
export function fill(body, rounds, points, checkpoints, measure, operator) {
  const rows = rounds.toReversed().map((round, i) => {
    const before = rounds[rounds.length - 2 - i]?.encoder_note;
    const ours = points.find((point) => point.round_id === round.id && point.arm === "strategy");
    const control = points.find((point) => point.round_id === round.id && point.arm === "control");
    return el(
      "tr",
      { "data-round": String(round.id), "data-checkpoint": String(ours?.checkpoint_id ?? "") },
      el("th", { scope: "row" }, round.number),
      el("td", {}, state(round, before)),
      el("td", { class: "strategy" }, strategyName(round.strategy), operator ? whyButton(round) : null),
      el("td", { class: "figure" }, ours ? ours.n_labels : NONE),
      el("td", { class: "figure" }, ours ? minutes(ours.minutes) : NONE),
      el("td", { class: "figure" }, figure(ours, measure, true)),
      el("td", { class: "figure" }, figure(control, measure, false)),
      el("td", { class: "figure" }, took(ours, control)),
      el("td", { class: "figure" }, checkpointLink(ours)),
      el("td", { class: "act" }, action(round, ours, checkpoints, operator)),
    );
  });
  replace(body, rows);
}

function figure(point, measure, bold) {
  const found = point && measure.of(point);
  if (!found) return NONE;
  const value = measure.text(found.value);
  return el("span", {}, bold ? el("b", {}, value) : value, " ", intervalOf(measure, found));
}

/** A round that has no batch yet has nothing to tell. */
function whyButton(round) {
  if (!round.encoder_digest) return null;
  const label = `Why these clips in round ${round.number}`;
  return el("button", { class: "quiet", onclick: () => showReceipts(round), "aria-label": label }, "Why");
}

function checkpointLink(point) {
  if (!point) return NONE;
  const id = point.checkpoint_id;
  const label = `Checkpoint ${id}: figures and recipe`;
  return el("a", { class: "checkpoint-link", href: `/checkpoints/${id}`, "aria-label": label }, id);
}

/** What TAPT's verdict was is told on the first round after it. */
function state(round, toldBefore) {
  const pill = el("span", { class: `pill ${round.state}` }, plain(round.state));
  const n = round.warnings.length;
  const warned = n ? el("span", { class: "pill over" }, count(n, "warning")) : null;
  const why = round.error ? el("span", { class: "why" }, round.error) : null;
  const isNew = round.encoder_note && round.encoder_note !== toldBefore;
  const note = isNew ? el("span", { class: "encoder-note muted" }, round.encoder_note) : null;
  return el("span", {}, ...[pill, warned, why, note].filter(Boolean).flatMap((part) => [part, " "]));
}

function took(...points) {
  const all = points.filter(Boolean).flatMap((point) => Object.values(point.seconds));
  return all.length ? seconds(all.reduce((sum, s) => sum + s, 0)) : NONE;
}

function action(round, point, checkpoints, operator) {
  const checkpoint = checkpoints.find(({ id }) => id === point?.checkpoint_id);
  if (checkpoint?.promoted_at) return el("span", { class: "pill finished" }, "in use");
  if (!operator) return "";
  if (round.state === "failed") {
    return el("button", { class: "quiet", onclick: () => operator.retry(round.id) }, "Retry");
  }
  if (!checkpoint) return "";
  const promote = () => operator.promote(checkpoint.id);
  const label = `Promote the checkpoint of round ${round.number}`;
  return el("button", { class: "quiet", onclick: promote, "aria-label": label }, "Promote");
}
