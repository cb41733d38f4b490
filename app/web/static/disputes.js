/**
 * The reviewer's page: one disputed clip at a time, everybody's answers side by side, a decision with its reason, the
 * next clip. Without the mouse: class keys, L X S Z for the other decisions, Enter to decide.
 */

import { call } from "./api.js";
import { ClipPlayer } from "./clipplayer.js";
import { el } from "./dom.js";
import { earlier, opinion, summary } from "./opinions.js";
import { Ruling } from "./ruling.js";

const find = (name) => document.querySelector(`[data-${name}]`);
const config = JSON.parse(document.querySelector("main").dataset.config);
const root = `/projects/${config.project}`;
const ruling = new Ruling(find("ruling"), config.scheme, () => decide());

/** @type {object[]} clips that wait, in order */
let queue = [];
let at = 0;
/** @type {number | null} where the next page of the list begins; null at its end */
let after = 0;
/** @type {ClipPlayer | null} */
let player = null;
let busy = false;

async function begin() {
  await more();
  show();
}

/** Read on while there may be more. */
async function more() {
  while (after !== null && queue.length <= at) {
    try {
      const page = await call("GET", `${root}/disputes?after=${after}`);
      queue.push(...page.items);
      after = page.next_after;
    } catch (error) {
      return tell(`The disputes could not be read: ${error.message}`);
    }
  }
}

function show() {
  player?.hush();
  at = Math.min(at, Math.max(queue.length - 1, 0));
  const clip = queue[at];
  find("dispute").hidden = !clip;
  find("none").hidden = Boolean(clip);
  find("walk").hidden = queue.length < 2;
  find("position").textContent = clip ? `${at + 1} of ${queue.length}${after === null ? "" : " or more"}` : "";
  if (!clip) return;
  player = new ClipPlayer({ url: clip.audio_url, durationS: clip.duration_s, name: "the disputed clip" });
  find("sound").replaceChildren(player.element, summary(clip));
  find("answers").replaceChildren(...clip.answers.map((answer) => opinion(answer, config.scheme.dimensions)));
  find("decisions").replaceChildren(...earlier(clip.decisions));
  ruling.clear();
  draw(player, clip.clip_id);
  player.toggle();
}

async function draw(player, id) {
  const clip = await call("GET", `/clips/${id}`).catch(() => null);
  if (clip) player.draw(clip.peaks);
}

async function decide() {
  if (busy) return;
  busy = true;
  const clip = queue[at];
  const [path, body] = ruling.request;
  try {
    await call("POST", `${root}/clips/${clip.clip_id}/${path}`, { body });
    find("notice").hidden = true;
    settle(clip, ruling.said);
    queue.splice(at, 1);
    document.activeElement?.blur();
    await more();
    show();
  } catch (error) {
    tell(`That was not taken: ${error.message}`);
  } finally {
    busy = false;
  }
}

/** Remember what was decided, with a way back to it: a newer ruling replaces an older one. */
function settle(clip, said) {
  const again = el("button", { onclick: () => lookAgain(clip.clip_id) }, `Clip ${clip.clip_id}: ${said}`);
  find("settled").append(el("li", {}, again));
  find("announce").textContent = `Clip ${clip.clip_id}: ${said}. ${queue.length - 1} left.`;
}

async function lookAgain(id) {
  queue = queue.filter(({ clip_id: other }) => other !== id);
  queue.splice(at, 0, await call("GET", `${root}/clips/${id}/answers`));
  show();
}

async function walk(step) {
  at = Math.max(at + step, 0);
  await more();
  show();
}

function tell(sentence) {
  find("notice").hidden = false;
  find("notice").textContent = sentence;
}

const commands = {
  " ": () => player?.toggle(),
  r: () => player?.seek(0),
  ArrowUp: () => ruling.answer.move(-1),
  ArrowDown: () => ruling.answer.move(1),
  c: () => find("reason").focus(),
  "[": () => walk(-1),
  "]": () => walk(1),
  Enter: () => ruling.confirm(),
};

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-do]");
  if (button) walk(button.dataset.do === "next" ? 1 : -1);
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (
    !queue[at] ||
    event.target.closest("textarea") ||
    (event.target.closest("input") && event.key.startsWith("Arrow"))
  )
    return;
  const pressed = event.target.matches("button:focus-visible, a:focus-visible");
  if (pressed && (event.key === " " || event.key === "Enter")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (commands[key]) commands[key]();
  else if (!ruling.key(key)) return;
  event.preventDefault();
});

begin();
