/**
 * Everybody's answers to one clip, side by side.
 */

import { el } from "./dom.js";

const SKIPPED = {
  bad_audio: "The audio is broken",
  not_speech: "Nobody speaks",
  several_speakers: "Several people speak",
  unsure: "Cannot tell",
};
const WHY = {
  tie: "The answers tie.",
  unclear: "No class leads over “unclear”.",
  not_sure: "The answers are not sure enough.",
  spread: "The values lie far apart.",
  skipped: "Everybody passed it on.",
  doubtful: "Most listeners may hear another class than the label.",
};
const DECIDED = {
  label: "decided",
  ambiguous: "left it ambiguous",
  exclude: "excluded it",
  ask_others: "asked others",
  ask_again: "sent it back",
};

/** @param {object} answer @param {import("./scales.js").Dimension[]} dimensions @returns {HTMLElement} */
export function opinion(answer, dimensions) {
  const took = answer.seconds === null ? "" : `${answer.seconds.toFixed(1)} s`;
  const head = el("p", { class: "who-said" }, el("span", {}, answer.annotator), el("span", {}, took));
  return el(
    "li",
    { class: "card opinion" },
    head,
    heard(answer),
    changed(answer),
    measures(answer, dimensions),
    answer.comment ? el("blockquote", {}, answer.comment) : null,
  );
}

function heard({ label, intensities, unclear, skip_reason: reason }) {
  if (reason) return el("p", { class: "heard none" }, `Skipped: ${SKIPPED[reason] ?? reason}`);
  if (unclear) return el("p", { class: "heard none" }, "Unclear");
  return el("p", { class: "heard" }, label ?? Object.keys(intensities ?? {}).join(" and "));
}

/** What its class is called since the scheme changed. */
function changed({ label, now }) {
  return label && now && now !== label ? el("p", { class: "muted" }, `now called ${now}`) : null;
}

/** Intensities and dimensions, each with a bar over its range. */
function measures({ intensities, dimensions: values }, dimensions) {
  const shares = Object.entries(intensities ?? {}).map(([name, share]) =>
    measure(name, share, 0, 1, `${Math.round(100 * share)} %`),
  );
  const placed = dimensions
    .filter(({ name }) => values && name in values)
    .map(({ name, low, high }) => measure(name, values[name], low, high, String(Math.round(values[name] * 100) / 100)));
  return shares.length + placed.length ? el("dl", { class: "measures" }, ...shares, ...placed) : null;
}

const measure = (name, value, low, high, text) =>
  el(
    "div",
    {},
    el("dt", {}, name),
    el(
      "dd",
      {},
      el("meter", { min: String(low), max: String(high), value: String(value), "aria-label": `${name}: ${text}` }),
    ),
    el("dd", { class: "number" }, text),
  );

/** Why somebody has to decide, and how the answers are spread. @param {object} clip @returns {HTMLElement} */
export function summary({ why, distribution }) {
  const shares = Object.entries(distribution)
    .filter(([, share]) => share > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, share]) => el("span", {}, el("b", {}, `${Math.round(100 * share)} %`), ` ${name}`));
  return el("p", { class: "shares" }, el("span", {}, WHY[why] ?? "It was decided before."), ...shares);
}

/** What was decided before. @param {object[]} decisions @returns {HTMLElement[]} */
export function earlier(decisions) {
  return decisions.map(({ adjudicator, decision, label, dimensions, reason }) => {
    const values = Object.entries(dimensions ?? {}).map(([name, value]) => `${name} ${value}`);
    const what = [label, ...values].filter(Boolean).join(", ");
    const who = el("p", { class: "muted" }, `${adjudicator} ${DECIDED[decision]}${what ? `: ${what}` : ""}`);
    return el("div", { class: "earlier" }, who, el("p", {}, `“${reason}”`));
  });
}
