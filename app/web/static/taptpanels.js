/**
 * What the page of TAPT shows of a run: its state, its curve, its alarms, its verdict, a row of the table.
 * Each takes rows of the API and returns elements.
 */

import { colour, layoutOf } from "./chart.js";
import { el } from "./dom.js";
import { reported } from "./joblist.js";
import { hundredths, percent, plain, seconds } from "./words.js";

const MOST_POINTS = 1_000;
const NONE = "–";
const WARM_UP = "judged once the run is past its warm-up";
/** The curves, and what each draws: a field of the reports, its name, its colour and its dash. */
const CURVES = {
  loss: [["loss", "loss, nats", "--accent", "solid"]],
  perplexity: [
    ["target_perplexity", "of the targets", "--control", "dot"],
    ["unit_perplexity", "of the predictions", "--accent", "solid"],
  ],
};

/** @param {object} run of GET …/tapt @param {object | null} latest report @param {object | null} measuring a job */
export function stateOf({ run, job, objective }, latest, measuring) {
  const state = el("span", { class: `pill ${job.state}` }, plain(job.state));
  const doing = job.state === "running" && latest ? reported({ ...job, progress: latest }).text : "";
  const parts = [el("b", {}, `Run ${run}`), state, muted(plain(objective))];
  if (doing) parts.push(el("span", {}, doing));
  if (job.cancel_requested && job.state === "running") parts.push(muted("stopping"));
  if (measuring) parts.push(muted(`measuring: ${reported(measuring).text}`));
  return parts;
}

/**
 * @param {object | null} running the newest report of a run that runs
 * @param {object | null} last the newest step of any
 * @returns {{pace: {figure: string, note: string}, left: {figure: string, note: string}}}
 */
export function paceOf(running, last) {
  const told = running?.hours_per_hour ?? last?.hours_per_hour;
  const heard = last?.seconds_audio;
  const pace = {
    figure: told === undefined ? NONE : told < 10 ? told.toFixed(1) : String(Math.round(told)),
    note: heard ? `${duration(heard)} heard, repeats counted` : "",
  };
  if (running?.left_s === undefined) {
    return { pace, left: { figure: NONE, note: running ? "after the first steps" : "" } };
  }
  const end = new Date(Date.now() + 1000 * running.left_s);
  const until = end.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  return { pace, left: { figure: duration(running.left_s), note: `until about ${until}, then the probe` } };
}

/** @param {number} s @returns {string} */
const duration = (s) => (s < 5_400 ? seconds(s) : `${(s / 3600).toFixed(1)} h`);

/** @param {HTMLElement} place @param {object[]} reports in order of step @param {"loss" | "perplexity"} curve */
export function drawRun(place, reports, curve) {
  const stride = Math.ceil(reports.length / MOST_POINTS);
  const some = reports.filter((_, i) => i % stride === 0 || i === reports.length - 1);
  const traces = CURVES[curve].map(([field, name, line, dash]) => ({
    x: some.map(({ step }) => step),
    y: some.map((report) => report[field] ?? null),
    name,
    mode: some.length > 1 ? "lines" : "markers",
    line: { color: colour(line), width: 2, dash },
    marker: { color: colour(line), size: 8 },
    hovertemplate: `%{y:.3g}, step %{x}<extra></extra>`,
  }));
  const layout = layoutOf({
    x: { title: { text: "Step" }, range: [0, reports.at(-1).steps] },
    y: { title: { text: curve === "loss" ? "Loss, nats" : "Perplexity" }, rangemode: "tozero" },
  });
  const options = { displayModeBar: false, responsive: true };
  window.Plotly.react(place, traces, { ...layout, showlegend: traces.length > 1 }, options);
}

/** @param {object | null} last the newest step's report @param {object | null} job @returns {HTMLElement[]} */
export function alarmRows(last, job) {
  const error = job?.state === "failed" ? job.error.name : null;
  const collapsed = error === "TaptCollapseError";
  const flat = collapsed && job.error.detail.includes("effective rank");
  const figure = (value) => (value === null || value === undefined ? NONE : value.toFixed(1));
  const used = last && `predictions use ${figure(last.unit_perplexity)} of ${figure(last.target_perplexity)} targets`;
  return [
    alarm("Loss is finite", error === "TaptNaNError", last && "NaN or infinity stops the run", last),
    alarm("Nothing has collapsed", collapsed && !flat, used && `${used}; ${WARM_UP}`, last),
    alarm("Frames still differ", flat, last?.embedding_rank && `effective rank ${figure(last.embedding_rank)}`, last),
    alarm("No dev or test clip is heard", error === "TaptLeakError", "checked before the first step", job),
  ];
}

function alarm(name, rang, note, known) {
  const state = el("span", { class: rang ? "pill failed" : "pill" }, rang ? "rang" : known ? "quiet" : NONE);
  return el("li", {}, el("span", {}, name), state, note ? el("p", { class: "muted" }, note) : null);
}

/** @param {object | null} run @param {object | null} told @returns {HTMLElement[]} */
export function verdictPanel(run, told) {
  const verdict = run?.verdict;
  if (!verdict) return [muted(run ? "Given when the run has ended." : "None yet.", "p")];
  const use = el("span", { class: `pill ${run.in_use ? "running" : ""}` }, run.in_use ? "in use" : "not in use");
  const outcome = { not_worse: "Does not lose", worse: "Loses", unmeasured: "Not measured" }[verdict.outcome];
  const rows = [el("p", {}, el("b", {}, outcome), " ", use)];
  if (verdict.gain !== undefined) rows.push(figures(verdict));
  rows.push(el("p", {}, `${verdict.sentence.charAt(0).toUpperCase()}${verdict.sentence.slice(1)}.`));
  const notes = [...verdict.notes];
  if (verdict.labels) notes.unshift(`${verdict.labels} labels of ${verdict.speakers} speakers, ${layersOf(verdict)}`);
  if (notes.length) rows.push(el("ul", { class: "notes" }, ...notes.map((note) => el("li", {}, note))));
  if (told.measuring) rows.push(muted("It is being measured again.", "p"));
  return rows;
}

/** The hidden states the probe read: "layer 2", "layers 1, 2 and 3". A verdict of before names one, as `layer`. */
function layersOf({ layer, layers = [layer] }) {
  const last = layers.at(-1);
  return layers.length > 1 ? `layers ${layers.slice(0, -1).join(", ")} and ${last}` : `layer ${last}`;
}

function figures(verdict) {
  const text = textOf(verdict);
  const told = [["Before", text(verdict.before)], ["After", text(verdict.after)], ["Gain", signed(verdict)]];
  const cells = told.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  return el("dl", { class: "verdict-figures" }, ...cells);
}

const textOf = ({ figure }) => (figure === "UAR" ? percent : hundredths);

/** A difference with its sign. */
function signed(verdict, value = verdict.gain) {
  return `${value < 0 ? "−" : "+"}${textOf(verdict)(Math.abs(value))}`;
}

/** @param {object} one run @param {number} shown the run on the page @param {string} base @returns {HTMLElement} */
export function runRow({ run, job, objective, checkpoint_id: checkpoint, in_use: inUse, verdict }, shown, base) {
  const measured = verdict?.gain !== undefined;
  const text = measured && textOf(verdict);
  const ends = measured && verdict.low !== null ? [verdict.low, verdict.high].map((end) => signed(verdict, end)) : [];
  const interval = ends.length ? ` [${ends.join(", ")}]` : "";
  const link = el("a", { class: "run-link", href: `${base}/tapt?run=${run}`, "aria-label": `Show run ${run}` }, run);
  const steps = job.result?.steps ?? job.progress.step;
  const loss = job.result?.loss ?? job.progress.loss;
  const page = { class: "run-link", href: `/checkpoints/${checkpoint}`, "aria-label": `Checkpoint ${checkpoint}` };
  const made = checkpoint && el("a", page, checkpoint);
  const state = [el("span", { class: `pill ${job.state}` }, plain(job.state))];
  if (inUse) state.push(" ", el("span", { class: "pill running" }, "in use"));
  return el(
    "tr",
    run === shown ? { "aria-current": "true" } : {},
    el("th", { scope: "row" }, link),
    el("td", {}, plain(objective)),
    el("td", {}, ...state),
    el("td", { class: "figure" }, steps ?? NONE),
    el("td", { class: "figure" }, loss?.toFixed(2) ?? NONE),
    el("td", { class: "figure" }, measured ? text(verdict.before) : NONE),
    el("td", { class: "figure" }, measured ? text(verdict.after) : NONE),
    el("td", { class: "figure" }, measured ? `${signed(verdict)}${interval}` : NONE),
    el("td", { class: "figure" }, made ?? NONE),
  );
}

const muted = (text, tag = "span") => el(tag, { class: "muted" }, text);
