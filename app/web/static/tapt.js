/**
 * A project's TAPT: one run's loss and perplexity as they come, its pace and time left, its alarms, and the verdict.
 *
 * Runs are asked for every two seconds; the reports of the shown run's jobs come as server-sent events, all of them
 * again when the page is opened, so that the curve is whole.
 */

import { notify, pressed } from "./actions.js";
import { call, Problem } from "./api.js";
import { replace } from "./dom.js";
import { asked, chooseKinds } from "./taptform.js";
import { alarmRows, drawRun, paceOf, runRow, stateOf, verdictPanel } from "./taptpanels.js";

const EVERY_MS = 2_000;
const PAINT_MS = 400;
const LIVE = new Set(["queued", "running"]);
/** Errors of the run itself: the same recipe and seed lead there again. */
const ALARMS = new Set(["TaptNaNError", "TaptCollapseError"]);

const config = JSON.parse(document.querySelector("main").dataset.config);
const at = (name) => document.querySelector(`[data-${name}]`);
const base = `/projects/${config.project}`;
const wanted = Number(new URLSearchParams(location.search).get("run"));

let told = null;
let shown = null;
let curve = "loss";
/** Reports of the shown run by step; an attempt that goes on overwrites what a broken one said of the same step. */
let points = new Map();
let latest = null;
/** @type {Map<number, EventSource>} */
const sources = new Map();
let painting = 0;

async function look() {
  if (document.visibilityState === "hidden") return;
  try {
    told = await call("GET", `${base}/tapt`);
    at("stale").hidden = true;
    show(told.runs.find(({ run }) => run === wanted) ?? told.runs[0] ?? null);
  } catch (error) {
    if (error.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    at("stale").hidden = false;
    at("stale").textContent = error instanceof Problem ? error.message : "No connection: these figures are not fresh.";
  }
}

/** @param {object | null} run */
function show(run) {
  if (run?.run !== shown?.run) {
    for (const source of sources.values()) source.close();
    sources.clear();
    points = new Map();
    latest = null;
  }
  shown = run;
  for (const job of run?.attempts ?? []) if (!sources.has(job)) listen(job);
  paint();
}

/** Take every report of a job, from its first on; the browser comes back by itself where it was. */
function listen(job) {
  const source = new EventSource(`/api/v1/jobs/${job}/events`);
  sources.set(job, source);
  source.addEventListener("report", ({ data }) => {
    const report = JSON.parse(data);
    if (report.stage === "train") points.set(report.step, report);
    if (job === shown?.attempts.at(-1)) latest = report;
    painting ||= setTimeout(paintSoon, PAINT_MS);
  });
  source.addEventListener("end", () => {
    source.close();
    look();
  });
}

function paintSoon() {
  painting = 0;
  paint();
}

function paint() {
  at("empty").hidden = shown !== null;
  at("curves").hidden = points.size === 0;
  at("runs-card").hidden = !told?.runs.length;
  replace(at("runs"), (told?.runs ?? []).map((run) => runRow(run, shown.run, base)));
  replace(at("state"), shown ? stateOf(shown, latest, told.measuring) : []);
  replace(at("verdict"), verdictPanel(shown, told));
  // Attempts are heard side by side: what a later one says may come first.
  const reports = [...points.values()].sort((one, other) => one.step - other.step);
  replace(at("alarms"), alarmRows(reports.at(-1) ?? null, shown?.job ?? null));
  paintProgress();
  paintFigures(reports.at(-1) ?? null);
  paintAlarm();
  paintCurve(reports);
  if (config.operator) paintButtons();
}

function paintProgress() {
  const running = shown?.job.state === "running" && latest;
  const bar = at("progress");
  bar.hidden = !running;
  if (!running) return;
  bar.max = Math.max(latest.steps ?? latest.total ?? 1, 1);
  bar.value = latest.step ?? latest.done ?? 0;
}

function paintFigures(last) {
  const { pace, left } = paceOf(shown?.job.state === "running" ? latest : null, last);
  for (const [name, text] of Object.entries({
    loss: last ? last.loss.toFixed(2) : "–",
    "loss-note": last ? `step ${last.step} of ${last.steps}` : "",
    perplexity: last?.unit_perplexity?.toFixed(1) ?? "–",
    "perplexity-note": last?.target_perplexity ? `of the targets ${last.target_perplexity.toFixed(1)}` : "",
    pace: pace.figure,
    "pace-note": pace.note,
    left: left.figure,
    "left-note": left.note,
  })) {
    at(name).textContent = text;
  }
}

/** What a run stopped by: its error names the alarm and says what to change. */
function paintAlarm() {
  const error = shown?.job.state === "failed" ? shown.job.error : null;
  at("alarm").hidden = !error;
  if (!error) return;
  at("alarm").querySelector("h2").textContent = `Run ${shown.run} stopped: ${error.name}`;
  const again = ALARMS.has(error.name) ? " Resumed it would go the same way: start a run with other settings." : "";
  at("alarm-said").textContent = `${error.detail}. Its last good state is kept.${again}`;
}

function paintCurve(reports) {
  const place = at("chart");
  place.hidden = reports.length === 0;
  place.setAttribute("aria-label", `The ${curve} against the steps.`);
  if (reports.length) drawRun(place, reports, curve);
}

function paintButtons() {
  const made = shown?.checkpoint_id ?? null;
  const shownWhen = {
    cancel: shown && LIVE.has(shown.job.state) && !shown.job.cancel_requested,
    resume: shown?.resumable,
    measure: made !== null && !told.measuring,
    promote: made !== null && !shown.in_use,
    undo: told?.encoder_checkpoint_id !== null,
  };
  for (const [name, when] of Object.entries(shownWhen)) {
    document.querySelector(`[data-do=${name}]`).hidden = !when;
  }
}

const deeds = {
  cancel: () => ["POST", `/jobs/${shown.job.id}/cancel`, undefined, "The run stops in a moment and can be resumed."],
  resume: () => ["POST", `/jobs/${shown.job.id}/resume`, undefined, "The run goes on from its last state."],
  measure: () => [
    "POST",
    `${base}/tapt/verdicts`,
    { checkpoint_id: shown.checkpoint_id },
    "The probe is measured again; the encoder is used if it does not lose.",
  ],
  promote: () => ["POST", `/checkpoints/${shown.checkpoint_id}/promote`, undefined, "Later rounds use this encoder."],
  undo: () => ["DELETE", `${base}/tapt`, undefined, "Later rounds use the encoder as it was named."],
};

/** @returns {Promise<boolean>} whether it was done */
async function act(method, path, body, said) {
  try {
    await call(method, path, { body });
    notify(said);
    return true;
  } catch (error) {
    notify(error.message);
    return false;
  } finally {
    await look();
  }
}

pressed("[data-do]", async (button) => {
  button.disabled = true;
  await act(...deeds[button.dataset.do]());
  button.disabled = false;
});

const form = at("form");
if (form) {
  chooseKinds(form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const begun = await act("POST", `${base}/tapt`, asked(form), "The run is queued.");
    if (begun) at("start").open = false;
    if (begun && wanted) location.assign(location.pathname);
  });
}
for (const radio of document.querySelectorAll("[name=curve]")) {
  radio.addEventListener("change", () => {
    curve = radio.value;
    paint();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => told && paint());
document.addEventListener("visibilitychange", look);
setInterval(look, EVERY_MS);
look();
