/**
 * A project's dashboard: what the labels bought and what is going on, kept fresh without a reload.
 *
 * Every two seconds it asks for the progress and the unfinished jobs; rounds, curve and checkpoints only when one of
 * those says that something moved. A hidden page asks nothing.
 */

import { confirmed, notify, pressed } from "./actions.js";
import { Advice } from "./advice.js";
import { call, Problem } from "./api.js";
import { draw } from "./chart.js";
import { el, replace } from "./dom.js";
import { fairnessPanels, sentence } from "./fairness.js";
import { JobList } from "./joblist.js";
import { intervalOf, measuresOf } from "./measures.js";
import { annotatorRow, jobPanel, nextStep, openRound, roundPanel } from "./panels.js";
import { fill } from "./roundtable.js";
import { count, minutes } from "./words.js";

const EVERY_MS = 2_000;
const TABLE_TOO = "The table of rounds has the same figures.";

const config = JSON.parse(document.querySelector("main").dataset.config);
const at = (name) => document.querySelector(`[data-${name}]`);
const base = `/projects/${config.project}`;
const jobList = new JobList(config.project);
const advice = new Advice(at("advice"), config.project);

/** What was true when rounds, curve and checkpoints were last asked for. */
let seen = "";
let rounds = [];
let points = [];
let checkpoints = [];
let axis = "n_labels";
const measures = measuresOf(config.scheme);
let measure = measures[0];
/** The project's fairness setting, which an operator may change while this page is open. */
let fairness = null;

const operator = config.operator && {
  promote: (id) => act(`/checkpoints/${id}/promote`, "This checkpoint answers predictions from now on."),
  retry: (id) => act(`/rounds/${id}/retry`, "The round is tried again."),
  cancel: (id) => act(`/jobs/${id}/cancel`, "The job will stop in a moment."),
};

async function look() {
  if (document.visibilityState === "hidden") return;
  try {
    const [progress, jobs] = await Promise.all([call("GET", `${base}/progress`), jobList.ask()]);
    const now = JSON.stringify([progress.round?.id, progress.round?.state, jobs.ended]);
    if (now !== seen) await lookCloser();
    seen = now;
    paint(progress, jobs);
    at("stale").hidden = true;
  } catch (error) {
    if (error.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    at("stale").hidden = false;
    at("stale").textContent = error instanceof Problem ? error.message : "No connection: these figures are not fresh.";
  }
}

async function lookCloser() {
  const [roundPage, curve, checkpointPage, project] = await Promise.all([
    call("GET", `${base}/rounds?limit=1000`),
    call("GET", `${base}/curve`),
    call("GET", `/checkpoints?project_id=${config.project}&limit=1000`),
    call("GET", base),
    advice.look(),
  ]);
  rounds = roundPage.items;
  points = curve.points;
  checkpoints = checkpointPage.items;
  fairness = project.fairness;
  paintCurve();
}

function paint(progress, jobs) {
  paintFigures(progress);
  replace(at("round"), roundPanel(progress));
  replace(at("jobs"), jobPanel(jobs, operator ? operator.cancel : null));
  replace(at("annotators"), progress.annotators.map(annotatorRow));
  const answered = progress.annotators.length > 0;
  at("annotators-empty").hidden = answered;
  at("annotators-head").hidden = !answered;
  fill(at("rounds"), rounds, points, checkpoints, measure, operator || null);
  paintWarnings();
  paintFairness();
  at("rounds-table").hidden = rounds.length === 0;
  replace(at("empty"), points.length ? [] : nextStep(progress, config.name, config.operator));
  if (operator) paintButtons(openRound(progress));
}

function paintFigures(progress) {
  const ours = points.findLast(({ arm }) => arm === "strategy");
  const control = points.findLast((point) => point.arm === "control" && point.round_id === ours?.round_id);
  const found = ours && measure.of(ours);
  const beside = control && measure.of(control);
  for (const name of document.querySelectorAll("[data-measure-name]")) name.textContent = measure.axis;
  at("figure").textContent = found ? measure.text(found.value) : "–";
  at("figure-interval").textContent = found
    ? `95 % interval ${measure.text(found.low)}–${measure.text(found.high)}`
    : "after the first round";
  const gain = found && beside ? found.value - beside.value : null;
  const size = gain === null ? "" : measure.text(Math.abs(gain));
  at("gain").textContent = gain === null ? "–" : `${gain < 0 ? "−" : "+"}${size}`;
  at("gain-note").textContent =
    gain === null ? "no control arm yet" : `${measure.unit}; control ${measure.text(beside.value)}`;
  at("labels").textContent = progress.labelled.toLocaleString("en");
  at("labels-note").textContent =
    progress.budget === null
      ? `of ${count(progress.clips.train, "clip")} to train on`
      : `of a budget of ${progress.budget.toLocaleString("en")}`;
  const spent = progress.annotators.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  at("minutes").textContent = minutes(spent);
  at("minutes-note").textContent = `minutes, ${count(progress.annotators.length, "annotator")}`;
}

function paintCurve() {
  const drawn = points.filter((point) => measure.of(point));
  at("curve").hidden = at("axes").hidden = drawn.length === 0;
  at("measures").hidden = drawn.length === 0 || measures.length < 2;
  at("chart").setAttribute("aria-label", `${measure.name} of the strategy and of the random control. ${TABLE_TOO}`);
  if (drawn.length) draw(at("chart"), points, axis, measure);
}

/** What the newest round that ended warns of. */
function paintWarnings() {
  const warned = rounds.findLast(({ finished_at: ended }) => ended);
  const sentences = warned?.warnings ?? [];
  at("warnings").hidden = sentences.length === 0;
  const title = el("h2", {}, `Round ${warned?.number}: ${count(sentences.length, "warning")}`);
  replace(at("warnings"), [title, el("ul", {}, ...sentences.map((said) => el("li", {}, sentence(said))))]);
}

function paintFairness() {
  const compared = ({ arm, figures }) => arm === "strategy" && Object.keys(figures.fairness ?? {}).length > 0;
  const newest = points.findLast(compared);
  at("fairness-card").hidden = !newest;
  if (!newest) return;
  at("fairness-round").textContent = `Round ${newest.round}, test speakers`;
  const { fairness: groups, classes } = newest.figures;
  replace(at("fairness"), fairnessPanels(groups, classes.names, fairness?.limit ?? null));
}

function paintMeasures() {
  const choices = measures.map(({ key, name }) => {
    const radio = el("input", { type: "radio", name: "measure", value: key, checked: key === measure.key });
    radio.addEventListener("change", () => {
      measure = measures.find((one) => one.key === key);
      paintCurve();
      look();
    });
    return el("label", {}, radio, ` ${name}`);
  });
  at("measures").append(...choices);
}

/** @param {object | null} open the open round */
function paintButtons(open) {
  const start = at("do-start");
  start.hidden = open !== null;
  start.textContent = `Start round ${rounds.length ? rounds.at(-1).number + 1 : 0}`;
  const close = at("do-close");
  close.hidden = open?.state !== "annotating";
  if (close.hidden) return;
  close.dataset.path = `/rounds/${open.id}/close`;
  const answers = count(open.done, "answer");
  close.dataset.detail = `Fine-tune on the ${answers} that came; clips without one go back to the pool.`;
}

/** Post, say what came of it, and look at once. */
async function act(path, said) {
  try {
    await call("POST", path);
    notify(said);
  } catch (error) {
    notify(error.message);
  }
  seen = "";
  await look();
}

/** @param {HTMLButtonElement} button with data-path, data-said, and data-verb and data-detail where it asks first */
async function press(button) {
  const { path, said, detail, verb } = button.dataset;
  if (detail && !(await confirmed(verb, detail))) return;
  button.disabled = true;
  await act(path, said);
  button.disabled = false;
}

pressed("[data-said]", press);
paintMeasures();
for (const radio of document.querySelectorAll("[name=axis]")) {
  radio.addEventListener("change", () => {
    axis = radio.value;
    paintCurve();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintCurve);
document.addEventListener("visibilitychange", look);
setInterval(look, EVERY_MS);
look();
