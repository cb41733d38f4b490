/**
 * A checkpoint's page: how it was trained and how good it is. Asked for once, and again while an examination runs.
 */

import { notify, pressed } from "./actions.js";
import { call, Problem } from "./api.js";
import { el, replace } from "./dom.js";
import { fairnessPanels, sentence } from "./fairness.js";
import { confusionTable, dimensionTable, headline, stageTable } from "./figures.js";
import { reported } from "./joblist.js";
import { measuresOf } from "./measures.js";
import { drawNoise, noisePanel } from "./noise.js";
import { recipeFacts } from "./recipes.js";
import { count, hundredths, minutes, percent, plain, seconds } from "./words.js";

const EVERY_MS = 1_500;
const WORKING = new Set(["queued", "running"]);

const config = JSON.parse(document.querySelector("main").dataset.config);
const at = (name) => document.querySelector(`[data-${name}]`);
const path = `/checkpoints/${config.checkpoint}`;

let shown = null;
let examining = null;

async function look() {
  try {
    const checkpoint = await call("GET", path);
    const [project, round] = await Promise.all([
      call("GET", `/projects/${checkpoint.project_id}`),
      checkpoint.round_id ? call("GET", `/rounds/${checkpoint.round_id}`) : null,
    ]);
    shown = { checkpoint, project, round };
    paint();
    at("stale").hidden = true;
  } catch (error) {
    if (error.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    at("stale").hidden = false;
    at("stale").textContent = error instanceof Problem ? error.message : "No connection: these figures are not fresh.";
  }
}

function paint() {
  const { checkpoint, project, round } = shown;
  at("about").textContent = about(checkpoint, round);
  if (at("do-promote")) at("do-promote").hidden = inUse(checkpoint, project);
  paintWarnings(checkpoint, round);
  paintFigures(checkpoint.figures);
  replace(at("facts"), facts(checkpoint, project).flatMap(([name, what]) => [el("dt", {}, name), el("dd", {}, what)]));
  at("recipe").textContent = JSON.stringify(checkpoint.recipe, null, 2);
  const { two_stage: stages, examinations = {} } = checkpoint.report;
  card("stages", stages && stageTable(stages, project.name));
  const examined = examinations.test ?? examinations.dev;
  const groups = checkpoint.figures?.fairness ?? examined?.fairness ?? {};
  const classes = checkpoint.figures?.classes?.names ?? examined?.clean.classes?.names ?? [];
  card("groups", Object.keys(groups).length && fairnessPanels(groups, classes, project.fairness?.limit ?? null));
  paintNoise(examined, project);
}

const inUse = (checkpoint, project) =>
  checkpoint.kind === "encoder" ? project.encoder_checkpoint_id === checkpoint.id : checkpoint.promoted_at !== null;

function about(checkpoint, round) {
  const use = inUse(checkpoint, shown.project) ? ", in use" : "";
  if (checkpoint.kind === "encoder") return `An adapted encoder${use}`;
  const arm = checkpoint.arm === "control" ? "random control arm" : "strategy's arm";
  return `A classifier of round ${round?.number ?? "–"}, ${arm}${use}`;
}

function paintWarnings(checkpoint, round) {
  const own = checkpoint.arm === "control" ? (checkpoint.report.warnings ?? []) : (round?.warnings ?? []);
  at("warnings").hidden = own.length === 0;
  const list = el("ul", {}, ...own.map((said) => el("li", {}, sentence(said))));
  replace(at("warnings"), [el("h2", {}, count(own.length, "warning")), list]);
}

function paintFigures(figures) {
  at("strip").hidden = at("strip-note").hidden = !figures;
  card("confusion", figures?.classes && [confusionTable(figures.classes)]);
  card("dimensions", figures?.dimensions?.length && [dimensionTable(figures.dimensions)]);
  if (!figures) return;
  replace(at("strip"), headline(figures));
  at("strip-note").textContent = `On ${count(figures.n, "test clip")}; intervals by bootstrap over their speakers.`;
}

/** @returns {Array<[string, string | Node]>} */
function facts({ kind, recipe, report, encoder_digest: digest, created_at: made }, project) {
  if (kind === "encoder") return [...encoderFacts(report), ["Encoder", digest.slice(0, 12)], ["Made", when(made)]];
  const start = recipe.start;
  const link = start && el("a", { href: `/checkpoints/${start.checkpoint}` }, `checkpoint ${start.checkpoint}`);
  const then = start?.adaptors === "stack" ? ", its adaptors frozen below new ones" : ", its adaptors trained on";
  const adaptors = start && el("span", {}, link, then);
  const trained = report.n_trainable?.toLocaleString("en");
  return [
    ...recipeFacts(recipe),
    ...(start ? [["Begins from", adaptors]] : []),
    ["Labels", `${report.n_labels ?? "–"}, ${minutes(report.minutes ?? 0)} minutes heard`],
    ["Trained weights", trained ?? "–"],
    ...kept(recipe, report),
    ...(report.notes?.length ? [["Decided", report.notes.map(sentence).join(" ")]] : []),
    ["Took", seconds(report.seconds ?? 0)],
    ["Encoder", `${project.encoder}, ${digest.slice(0, 12)}`],
    ["Made", when(made)],
  ];
}

/** Which epoch's weights were kept, and how good they were on dev; a probe has no epochs. */
function kept(recipe, { epoch, dev_uar: uar, dev_ccc: ccc }) {
  const told = epoch === 0 ? "the weights it started with" : `epoch ${epoch}`;
  const parts = recipe.method?.kind === "probe" || epoch === undefined ? [] : [told];
  if (uar !== null && uar !== undefined) parts.push(`UAR ${percent(uar)} % on dev`);
  if (ccc !== null && ccc !== undefined) parts.push(`CCC ${hundredths(ccc)} on dev`);
  return parts.length ? [["Kept", parts.join(", ")]] : [];
}

/** What TAPT reported, as far as it is plain numbers and words. */
function encoderFacts(report) {
  const told = Object.entries(report).filter(([, value]) => ["number", "string"].includes(typeof value));
  const short = (value) => (typeof value === "number" ? String(Math.round(1000 * value) / 1000) : value);
  const verdict = report.verdicts?.at(-1);
  const facts = told.map(([name, value]) => [plain(name), short(value)]);
  return verdict ? [...facts, ["Verdict", verdict.sentence]] : facts;
}

function paintNoise(examined, project) {
  const working = examining !== null;
  at("working").hidden = !working;
  const measures = measuresOf(project.scheme);
  const how = config.operator ? "Not examined yet: the button above does it." : "Not examined yet.";
  const nothing = [el("p", { class: "muted" }, how)];
  card("noise", shown.checkpoint.kind === "classifier" && (examined ? noisePanel(examined, measures) : nothing));
  at("examined").textContent = examined ? `${examined.split} clips, ${when(examined.examined_at)}` : "";
  const place = document.querySelector(".noise-chart");
  if (place) drawNoise(place, examined, measures[0]);
}

/** Show a card with these elements, or hide it when there are none. */
function card(name, children) {
  const place = document.querySelector(`[data-card=${name}]`);
  place.hidden = !children;
  if (children) replace(at(name), children);
}

const when = (moment) => new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

async function act(method, to, body, said) {
  try {
    const answer = await call(method, to, { body });
    notify(said);
    await look();
    return answer;
  } catch (error) {
    notify(error.message);
    return null;
  }
}

/** Follow a job to its end, telling how far it is. */
async function follow(job) {
  examining = job.id;
  at("do-examine").disabled = true;
  for (let now = job; ; now = await call("GET", `/jobs/${job.id}`).catch(() => now)) {
    at("working").hidden = false;
    at("working").textContent = `Examining: ${reported(now).text}`;
    if (!WORKING.has(now.state)) {
      if (now.state === "failed") notify(`The examination failed: ${now.error?.detail ?? "see the job"}`);
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  examining = null;
  at("do-examine").disabled = false;
  at("working").hidden = true;
  await look();
}

pressed("[data-do-promote]", (button) => act("POST", `${path}/promote`, undefined, button.dataset.said));
pressed("[data-do-examine]", async (button) => {
  const job = await act("POST", `${path}/evaluations`, { split: "test" }, button.dataset.said);
  if (job) await follow(job);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown && paint());
look();
