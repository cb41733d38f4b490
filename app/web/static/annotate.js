/**
 * The annotator's page: listen, answer, and the next clip is already sounding.
 *
 * An answer goes into the outbox, the next clip (held and loaded beforehand) plays at once, and the network follows
 * when it can. This file only joins the parts: leases, outbox, player, waveform, keys and view.
 */

import { Unreachable } from "./api.js";
import { askComment, askReason, showHelp } from "./dialogs.js";
import { listen } from "./keys.js";
import { Leases } from "./leases.js";
import { GRACE_MS, Outbox } from "./outbox.js";
import { Player } from "./player.js";
import { present } from "./presence.js";
import { Tally } from "./tally.js";
import * as view from "./view.js";
import { Waveform } from "./waveform.js";

const RETRY_MS = 2_500;
/** Nobody hears an emotion sooner: a press before this is a slip of the finger on the previous clip. */
const SOONEST_ANSWER_S = 0.2;

const config = JSON.parse(document.querySelector("main").dataset.config);
const dialogs = Object.fromEntries([...document.querySelectorAll("dialog")].map((d) => [d.dataset.dialog, d]));

/** @type {import("./leases.js").Lease | null} the clip on the page */
let shown = null;
let shownAt = 0;
/** @type {{lease: import("./leases.js").Lease, label: string} | null} what can still be taken back */
let last = null;
let retry = 0;

const outbox = new Outbox(config.account, { sent, refused, changed: connectionChanged });
const tally = new Tally(config.project, config.account, () => waitingHere().length);
const leases = new Leases(config.project, config.account, config.leaseS, { lost });
const player = new Player({
  started,
  stopped: () => view.playing(false),
  moved,
  blocked: () => view.askForGesture(true),
});
const waveform = new Waveform(document.querySelector("[data-wave]"), (fraction) => {
  player.seekTo(fraction * player.durationS);
  player.play();
});

const commands = {
  toggle: () => (leases.current ? player.toggle() : resume()),
  replay: () => player.replay(),
  back: () => player.back(1),
  forward: () => player.back(-1),
  slower: () => view.speed(player.changeSpeed(-1)),
  faster: () => view.speed(player.changeSpeed(1)),
  skip,
  comment: editComment,
  takeBack,
  help: () => showHelp(dialogs.help),
};

async function begin() {
  const buttons = [...document.querySelectorAll("[data-classes] [data-key]")];
  listen(new Map(buttons.map(({ dataset }) => [dataset.key, dataset.label])), label, (name) => commands[name]());
  document.addEventListener("click", clicked);
  addEventListener("online", connectionChanged);
  addEventListener("offline", connectionChanged);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && comeBack());
  rememberInstructions();
  tally.ask();
  await outbox.send();
  await leases.restore(new Set(outbox.waiting().map(({ lease }) => lease)));
  await next();
}

function clicked(event) {
  const button = event.target.closest("[data-label], [data-do], [data-start], [data-resume]");
  if (!button) return;
  if (button.dataset.label) label(button.dataset.label);
  else if (button.dataset.do) commands[button.dataset.do]();
  else if ("start" in button.dataset) player.play();
  else resume();
}

/** Show and play the current lease; claim more behind it, or wait for some. */
async function next() {
  clearTimeout(retry);
  if (!leases.current) {
    const unreachable = await claim();
    if (!leases.current) return wait(unreachable);
  } else claim();
  const lease = leases.current;
  shown = lease;
  view.show("clip");
  view.trouble("");
  view.askForGesture(false);
  view.comment(lease.comment);
  waveform.show(lease.peaks);
  if (!lease.audio) {
    player.load(null, lease.durationS);
    view.clock(0, lease.durationS);
    await lease.loading;
    if (lease !== leases.current) return;
    if (lease.failure) return view.trouble(`This clip cannot be played: ${lease.failure}. Skip it with S.`);
  }
  shownAt = performance.now();
  player.load(lease.audio, lease.durationS);
  moved(0);
  player.play();
}

/**
 * Answers go first: a lease that expired while there was no connection could be claimed anew, and its answer refused.
 * @returns {Promise<string>} why nothing could be claimed, or ""
 */
async function claim() {
  try {
    if (outbox.link !== "ok") await outbox.send();
    if (outbox.link === "unreachable") return "unreachable";
    await leases.fill();
    return "";
  } catch (error) {
    if (error instanceof Unreachable || error.passing) return "unreachable";
    if (error.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    return error.message;
  }
}

/** Nothing to label: say why, look again gently, and go on by itself if somebody is there. */
async function wait(problem) {
  shown = null;
  player.load(null, 0);
  if (problem === "unreachable") {
    view.showWaiting("Waiting for the connection", "Your answers are safe in this browser.");
  } else if (problem) view.showWaiting("That did not work", problem);
  else if (waitingHere().length) view.showWaiting("That was the last one for now", "Z takes it back.");
  else view.showWaiting(...whyNothing(await tally.ask()));
  clearTimeout(retry);
  retry = setTimeout(lookAgain, RETRY_MS);
}

async function lookAgain() {
  const progress = await tally.ask();
  const round = progress?.round;
  const open = round?.state === "annotating" && round.done + round.out < round.wanted;
  if (open && !(present() && document.visibilityState === "visible")) {
    view.showWaiting(`Round ${round.number} is open`, "Clips are waiting for you.", true);
    retry = setTimeout(lookAgain, RETRY_MS);
  } else if (!leases.current) await next();
}

function resume() {
  if (!leases.current) next();
}

function comeBack() {
  leases.beat();
  resume();
}

/** @returns {[string, string]} */
function whyNothing(progress) {
  const round = progress?.round;
  const goesOn = "This page goes on by itself when there are clips.";
  if (!round) return ["Nothing to label yet", `An operator has not started the first round. ${goesOn}`];
  const name = `Round ${round.number}`;
  switch (round.state) {
    case "acquiring":
      return ["Clips are being chosen", `${name} is about to open. ${goesOn}`];
    case "annotating":
      return ["Nothing to label now", `You answered all you can in this round; others hold the rest. ${goesOn}`];
    case "fine_tuning":
    case "evaluating":
      return ["Nothing to label now", `${name} is complete and the model is learning from it. ${goesOn}`];
    default:
      return ["Nothing to label now", `${name} is ${round.state}. ${goesOn}`];
  }
}

function label(name) {
  if (!leases.current) return;
  if (!player.audio || player.heardS < Math.min(SOONEST_ANSWER_S, player.durationS / 2)) return player.play();
  view.flash(name);
  answer("annotation", { label: name }, name);
}

async function skip() {
  if (!leases.current) return;
  const lease = leases.current;
  const reason = await askReason(dialogs.skip);
  if (reason && lease === leases.current) answer("skip", { reason }, "Skipped");
}

/** Keep the answer, play the next clip; the order is what makes it quick. */
function answer(verb, body, said) {
  performance.mark("answered");
  const seconds = Math.round(performance.now() - shownAt) / 1000;
  const lease = leases.shift();
  if (lease.comment) body.comment = lease.comment;
  outbox.add({ key: lease.key, lease: lease.id, project: config.project, verb, body: { ...body, seconds } });
  last = { lease, label: said };
  next();
  tally.pace.tick();
  tally.paint();
  view.lastAnswer(said, GRACE_MS);
  view.announce(`${said}. ${leases.current ? "Next clip." : ""}`);
}

function takeBack() {
  if (!last) return;
  if (!outbox.takeBack(last.lease.key)) return view.announce("Already sent: it cannot be taken back.");
  leases.unshift(last.lease.id);
  view.lastAnswer("");
  view.announce(`${last.label} taken back. The clip again.`);
  last = null;
  next();
}

async function editComment() {
  const lease = leases.current;
  if (!lease) return;
  const text = await askComment(dialogs.comment, lease.comment);
  if (text === null) return;
  lease.comment = text;
  leases.store();
  if (lease === leases.current) view.comment(text);
}

function started() {
  view.playing(true);
  view.askForGesture(false);
  if (performance.getEntriesByName("answered").length) {
    performance.measure("answer-to-sound", "answered");
    performance.clearMarks("answered");
  }
}

function moved(seconds) {
  waveform.move(player.durationS ? Math.min(seconds / player.durationS, 1) : 0);
  view.clock(Math.min(seconds, player.durationS), player.durationS);
}

/** The server has an answer. */
function sent(entry) {
  leases.settle(entry.lease);
  if (entry.project === config.project && entry.verb === "annotation") tally.accepted();
}

/** The server will never take an answer: say so, and go on. */
function refused(entry, problem) {
  leases.settle(entry.lease);
  const what = entry.body.label ? `Your answer “${entry.body.label}”` : "A skip";
  const why = problem.status === 409 ? "the clip had gone to somebody else, or its round was closed" : problem.message;
  view.notice(`${what} was not counted: ${why}. Go on with the next clip.`);
}

/** The server gave a held clip to somebody else. */
function lost(lease) {
  if (lease !== shown) return claim();
  view.notice("The clip went to somebody else while you were away. Here is the next one.");
  return next();
}

function waitingHere() {
  return outbox.waiting().filter(({ project, verb }) => project === config.project && verb === "annotation");
}

function connectionChanged() {
  const n = outbox.waiting().length;
  const answers = n === 1 ? "1 answer is" : `${n} answers are`;
  if (outbox.link === "signed-out") {
    const href = `/login?next=${encodeURIComponent(location.pathname)}`;
    view.banner(`You are signed out. ${answers} kept in this browser.`, { href, text: "Sign in to send them" });
  } else if (!navigator.onLine || outbox.link === "unreachable") {
    const kept = `${answers} kept in this browser and sent when it is back.`;
    view.banner(`No connection. ${n ? kept : "You can go on with the clips already here."}`);
  } else view.banner("");
  tally.paint();
}

function rememberInstructions() {
  const box = document.querySelector("[data-instructions]");
  if (!box) return;
  const key = `afterloop.instructions.${config.project}`;
  box.open = localStorage.getItem(key) !== "closed";
  box.addEventListener("toggle", () => localStorage.setItem(key, box.open ? "open" : "closed"));
}

begin();
