/**
 * The dashboard's small panels: the open round, the jobs, the annotators, and what to do when there is no curve yet.
 * Each takes rows of the API and returns elements.
 */

import { el } from "./dom.js";
import { reported } from "./joblist.js";
import { count, plain, seconds } from "./words.js";

const OPEN = ["acquiring", "annotating", "fine_tuning", "evaluating"];

/** @param {object} progress of GET …/progress @returns {object | null} its round, when that is open */
export function openRound({ round }) {
  return round && OPEN.includes(round.state) ? round : null;
}

/** @param {object} progress @returns {HTMLElement[]} */
export function roundPanel(progress) {
  const round = openRound(progress);
  if (!round) {
    const last = progress.round;
    return [muted(last ? `Round ${last.number} is ${plain(last.state)}. None is open.` : "None yet.")];
  }
  const state = el("span", { class: `pill ${round.state}` }, plain(round.state));
  const title = el("p", {}, el("b", {}, `Round ${round.number}`), " ", state);
  if (round.state !== "annotating") return [title];
  const wanted = round.wanted - round.out;
  const held = round.leased ? `, ${count(round.leased, "clip")} with annotators` : "";
  return [title, bar("Answers given", round.done, wanted), muted(`${round.done} of ${count(wanted, "answer")}${held}`)];
}

/**
 * @param {{live: object[], failed: object | undefined}} jobs
 * @param {((job: number) => void) | null} cancel for operators
 * @returns {HTMLElement[]}
 */
export function jobPanel({ live, failed }, cancel) {
  const rows = live.map((job) => jobRow(job, cancel));
  if (failed) {
    const why = el("p", { class: "why" }, failed.error?.detail ?? "");
    rows.push(el("li", {}, el("b", {}, `${plain(failed.kind)} failed`), why));
  }
  return rows.length ? rows : [el("li", { class: "muted" }, "Nothing is running.")];
}

function jobRow(job, cancel) {
  const { text, done, total } = reported(job);
  const name = plain(job.kind);
  const button = { class: "quiet", "aria-label": `Cancel ${name}`, onclick: () => cancel(job.id) };
  const stop = cancel && !job.cancel_requested ? el("button", button, "Cancel") : null;
  return el(
    "li",
    { "data-job": String(job.id) },
    el("div", { class: "job-head" }, el("b", {}, name), stop),
    job.state === "running" ? bar(name, done, total) : null,
    muted(job.attempts > 1 ? `${text} · attempt ${job.attempts}` : text),
  );
}

/** @param {object} annotator a row of GET …/progress @returns {HTMLElement} */
export function annotatorRow({ name, annotations, skipped, seconds: spent }) {
  const figures = [annotations, skipped, annotations ? seconds(spent / annotations) : "–"];
  const cells = figures.map((figure) => el("td", { class: "figure" }, figure));
  return el("tr", {}, el("th", { scope: "row" }, name), ...cells);
}

/**
 * What leads to the first point of the curve, from where the project stands.
 * @param {object} progress @param {string} project its name @param {boolean} operator
 * @returns {HTMLElement[]}
 */
export function nextStep(progress, project, operator) {
  const round = openRound(progress);
  if (!progress.clips.train) {
    const command = el("pre", {}, el("code", {}, `afterloop import "${project}" manifest.csv`));
    const how = "Import audio with a manifest; label the test clips, whose answers are known.";
    return [...advice("No clips yet", how), command];
  }
  if (!progress.clips.test) {
    const why = "The curve is measured on a fixed test split: import clips with split test and a label.";
    return advice("No test clips yet", why);
  }
  if (!round) {
    const start = "Start it above: clips are picked, and annotators find them on their page.";
    const wait = "An operator starts it; this page then fills by itself.";
    return advice("Ready for the first round", operator ? start : wait);
  }
  const left = count(round.wanted - round.out - round.done, "answer");
  const busy = `Round ${round.number} is ${plain(round.state)}.`;
  const stage = round.state === "annotating" ? `${left} to go in round ${round.number}.` : busy;
  return advice("The curve begins with the first finished round", stage);
}

const advice = (title, text) => [el("h2", {}, title), el("p", {}, text)];

const muted = (text) => el("p", { class: "muted" }, text);

/** A progress bar; without a known end it only shows that something moves. */
function bar(label, done, total) {
  if (done === null) return el("progress", { "aria-label": label });
  return el("progress", { "aria-label": label, max: String(Math.max(total, 1)), value: String(done) });
}
