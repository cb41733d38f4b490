/**
 * The annotator's page: listen, answer, and the next clip is already sounding.
 *
 * An answer goes into the outbox, the next clip (held and loaded beforehand) plays at once, and the network follows
 * when it can. This file only joins the parts: leases, answer, outbox, undo, listening, keys and view.
 */

import { Answer } from "./answer.js";
import { Unreachable } from "./api.js";
import { bodyOf } from "./body.js";
import { askComment, askReason, showHelp } from "./dialogs.js";
import { Drafts } from "./drafts.js";
import { Guide } from "./guide.js";
import { listen } from "./keys.js";
import { Leases } from "./leases.js";
import { Listening } from "./listening.js";
import { Outbox } from "./outbox.js";
import { present } from "./presence.js";
import { Tally } from "./tally.js";
import { Undo } from "./undo.js";
import * as view from "./view.js";
import { aboutLink, open, whyNothing } from "./waiting.js";

const RETRY_MS = 2_500;
/** Nobody hears an emotion sooner: a press before this is a slip of the finger on the previous clip. */
const SOONEST_ANSWER_S = 0.2;

const config = JSON.parse(document.querySelector("main").dataset.config);
const dialogs = Object.fromEntries([...document.querySelectorAll("dialog")].map((d) => [d.dataset.dialog, d]));

/** @type {import("./leases.js").Lease | null} the clip on the page */
let shown = null;
let shownAt = 0;
let retry = 0;
/** @type {"open" | "passed" | "failed" | null} how this annotator's qualification stands, where there is one */
let qualification = null;

const drafts = new Drafts(config.account, config.project);
const outbox = new Outbox(config.account, { sent, refused, changed: connectionChanged });
const tally = new Tally(config.project, config.account, () => waitingHere().length);
const leases = new Leases(config.project, config.account, config.leaseS, { lost, told });
const undo = new Undo(config.project, { outbox, leases, drafts });
const listening = new Listening({ started, context: reload });
const { player } = listening;
const guide = new Guide(document.querySelector("[data-guide]"), `afterloop.guide.${config.project}`);
const answer = new Answer(
  config.scheme,
  { classes: document.querySelector("[data-classes]"), scales: document.querySelector("[data-scales]") },
  { changed: keepDraft, given: send },
);

const commands = {
  toggle: () => (leases.current ? player.toggle() : resume()),
  ...listening.commands,
  skip,
  comment: editComment,
  undo: takeBack,
  guide: read,
  help: () => showHelp(dialogs.help),
  ...(!answer.quick && { send, previousPart: () => answer.move(-1), nextPart: () => answer.move(1) }),
};

async function begin() {
  listen(commands, (key) => answer.means(key) && heard(() => answer.key(key)));
  document.addEventListener("click", clicked);
  addEventListener("online", connectionChanged);
  addEventListener("offline", connectionChanged);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && comeBack());
  tally.ask();
  leases.contextS = listening.contextS;
  const reading = guide.unread ? guide.open() : null;
  await outbox.send();
  await leases.restore(new Set(outbox.waiting().map(({ lease }) => lease)));
  await reading;
  await next();
}

function clicked(event) {
  const button = event.target.closest("[data-label], [data-unclear], [data-do], [data-start], [data-resume]");
  if (!button || button.closest("dialog")) return;
  if (button.dataset.do) commands[button.dataset.do]();
  else if ("start" in button.dataset) player.play();
  else if ("resume" in button.dataset) resume();
  else heard(() => answer.press(button));
}

/** Show and play the current lease; claim more behind it, or wait for some. */
async function next() {
  clearTimeout(retry);
  if (!leases.current) {
    listening.end();
    const unreachable = await claim();
    if (!leases.current) return wait(unreachable);
  } else claim();
  const lease = leases.current;
  shown = lease;
  view.show("clip");
  view.trouble("");
  view.askForGesture(false);
  view.guess(lease.guess);
  showDraft(drafts.read(lease.id));
  if (!lease.sound) {
    listening.expect(lease);
    await lease.loading;
    if (lease !== leases.current) return;
    if (lease.failure) return view.trouble(`This clip cannot be played: ${lease.failure}. Skip it with S.`);
  }
  shownAt = performance.now();
  listening.begin(lease);
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
  if (qualification === "open") outbox.flush(); // the last answer of the test opens the door
  if (problem === "unreachable") {
    view.showWaiting("Waiting for the connection", "Your answers are safe in this browser.");
  } else if (problem) view.showWaiting("That did not work", problem);
  else if (waitingHere().length) view.showWaiting("That was the last one for now", "Z takes it back.");
  else view.showWaiting(...whyNothing(await tally.ask(), qualification));
  clearTimeout(retry);
  retry = setTimeout(lookAgain, RETRY_MS);
}

async function lookAgain() {
  const progress = await tally.ask();
  if (open(progress) && !(present() && document.visibilityState === "visible")) {
    view.showWaiting(`Round ${progress.round.number} is open`, "Clips are waiting for you.", true);
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

/** Let somebody answer who has heard something; a press before that was meant for the clip before, and plays this. */
function heard(act) {
  if (!leases.current) return false;
  const enough = player.sound && player.heardS >= Math.min(SOONEST_ANSWER_S, player.durationS / 2);
  if (enough) return act();
  player.play();
  return true;
}

function keepDraft() {
  if (!leases.current) return;
  drafts.keep(leases.current.id, answer.draft);
  view.missing(answer.missing);
}

function showDraft(draft) {
  answer.show(draft);
  view.missing(answer.missing);
  view.comment(draft.comment);
}

function send() {
  if (!leases.current) return;
  if (!answer.complete) return view.announce(`Still to say: ${answer.missing.join(", ")}`);
  view.flash(Object.keys(answer.draft.classes), answer.draft.unclear);
  give("annotation", bodyOf(answer.draft, config.scheme), answer.said);
}

async function skip() {
  if (!leases.current) return;
  const lease = leases.current;
  const reason = await askReason(dialogs.skip);
  if (reason && lease === leases.current) give("skip", { reason }, "Skipped");
}

/** Keep the answer, play the next clip; the order is what makes it quick. */
function give(verb, body, said) {
  performance.mark("answered");
  const seconds = Math.round(performance.now() - shownAt) / 1000;
  const lease = leases.shift();
  const { comment } = answer.draft;
  const whole = { ...body, ...(comment && { comment }), seconds };
  outbox.add({ key: lease.key, lease: lease.id, project: config.project, verb, body: whole });
  undo.remember({ lease: lease.id, key: lease.key, clip: lease.clip, said, draft: answer.draft });
  next();
  tally.pace.tick();
  tally.paint();
  view.lastAnswer(said);
  view.announce(`${said}. ${leases.current ? "Next clip." : ""}`);
}

async function takeBack() {
  const { said, problem } = await undo.last();
  view.lastAnswer(undo.said);
  if (problem) return view.notice(problem);
  tally.ask();
  view.announce(`${said} taken back. The clip again.`);
  await next();
}

async function editComment() {
  const lease = leases.current;
  if (!lease) return;
  const text = await askComment(dialogs.comment, answer.draft.comment);
  if (text === null || lease !== leases.current) return;
  answer.draft = { ...answer.draft, comment: text };
  keepDraft();
  view.comment(text);
}

async function read() {
  if (!guide.dialog) return;
  player.audio?.pause();
  await guide.open();
  if (leases.current?.sound) listening.begin(leases.current);
}

/** Hear the clips with another stretch of the recording around them. */
async function reload(contextS) {
  listening.end();
  leases.withContext(contextS);
  await leases.current?.loading;
  if (leases.current?.sound) listening.begin(leases.current);
}

function started() {
  if (!performance.getEntriesByName("answered").length) return;
  performance.measure("answer-to-sound", "answered");
  performance.clearMarks("answered");
}

/** The server has an answer. */
function sent(entry) {
  leases.settle(entry.lease);
  drafts.forget(entry.lease);
  if (entry.project !== config.project) return;
  if (entry.verb === "annotation") tally.accepted();
  if (qualification === "open") resume();
}

/** The server will never take an answer: say so, and go on. */
function refused(entry, problem) {
  leases.settle(entry.lease);
  drafts.forget(entry.lease);
  undo.forget(entry.key);
  view.lastAnswer(undo.said);
  const what = entry.body.label
    ? `Your answer “${entry.body.label}”`
    : entry.verb === "skip"
      ? "A skip"
      : "Your answer";
  const why = problem.status === 409 ? "the clip had gone to somebody else, or its round was closed" : problem.message;
  view.notice(`${what} was not counted: ${why}. Go on with the next clip.`);
}

/** The server said something besides the clips. */
function told(answer) {
  qualification = answer.qualification;
  view.qualifying(qualification === "open");
}

/** The server gave a held clip to somebody else. */
function lost(lease) {
  drafts.forget(lease.id);
  if (lease !== shown) return claim();
  listening.end();
  view.notice("The clip went to somebody else while you were away. Here is the next one.");
  return next();
}

function waitingHere() {
  return outbox.waiting().filter(({ project, verb }) => project === config.project && verb === "annotation");
}

function connectionChanged() {
  view.banner(...aboutLink(outbox.link, outbox.waiting().length));
  tally.paint();
}

begin();
