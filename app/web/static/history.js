/**
 * One's own answers, the newest first: hear them again, revise them. Without the mouse: arrows walk, Space plays,
 * Enter revises.
 */

import { call } from "./api.js";
import { ClipPlayer } from "./clipplayer.js";
import { el } from "./dom.js";
import { Revision } from "./revision.js";

const SKIPPED = {
  bad_audio: "the audio is broken",
  not_speech: "nobody speaks",
  several_speakers: "several people speak",
  unsure: "cannot tell",
};
const OVER = { revised: "revised", withdrawn: "taken back" };

const config = JSON.parse(document.querySelector("main").dataset.config);
const list = document.querySelector("[data-history]");
const older = document.querySelector("[data-older]");
const revision = new Revision(document.querySelector("[data-revise]"), config.scheme);
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });
/** What belongs to a row. @type {WeakMap<Element, {answer: object, player: ClipPlayer}>} */
const rows = new WeakMap();
/** Waveforms are drawn when their rows come into sight. */
const sight = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach(draw));

async function more(before) {
  const query = before ? `&before=${before}` : "";
  try {
    const page = await call("GET", `/projects/${config.project}/annotations/mine?limit=50${query}`);
    list.append(...page.items.map(row));
    document.querySelector("[data-empty]").hidden = list.children.length > 0;
    older.hidden = page.next_before === null;
    older.onclick = () => more(page.next_before);
  } catch (error) {
    tell(`Your answers could not be read: ${error.message}`);
  }
}

function row(answer) {
  const said = words(answer);
  const player = new ClipPlayer({
    url: answer.audio_url,
    durationS: answer.duration_s,
    name: `the clip you called ${said}`,
  });
  const line = el(
    "li",
    { tabindex: "-1" },
    el("time", { datetime: answer.created_at }, when.format(new Date(answer.created_at))),
    player.element,
    el("p", { class: answer.state === "live" ? "said" : "said over" }, el("b", {}, said), ...notes(answer), why(answer)),
    answer.revisable ? el("button", { class: "revise-it", onclick: () => revise(line) }, "Revise") : pill(answer),
  );
  rows.set(line, { answer, player });
  sight.observe(line);
  return line;
}

async function draw({ target }) {
  sight.unobserve(target);
  const { answer, player } = rows.get(target);
  const clip = await call("GET", `/clips/${answer.clip_id}`).catch(() => null);
  if (clip) player.draw(clip.peaks);
}

const pill = ({ state }) => (OVER[state] ? el("span", { class: "pill" }, OVER[state]) : null);

function words({ label, intensities, unclear, dimensions, skip_reason: reason }) {
  if (reason) return `skipped: ${SKIPPED[reason] ?? reason}`;
  const classes = intensities ? Object.keys(intensities).join(", ") : (label ?? (unclear ? "unclear" : ""));
  const values = Object.entries(dimensions ?? {}).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`);
  return [classes, ...values].filter(Boolean).join(" · ");
}

function notes({ comment, shown }) {
  const guess = shown && `you saw the model's guess: ${shown.label}`;
  return [comment && `“${comment}”`, guess].filter(Boolean).map((text) => el("span", { class: "note" }, text));
}

/** A button that gives way to the sentence: why the clip was asked for, or why that is not told yet. */
function why({ clip_id: clip, state }) {
  if (state !== "live") return null;
  const button = el("button", { class: "quiet why", onclick: tellWhy }, "Why this clip");
  async function tellWhy() {
    const sentence = await call("GET", `/projects/${config.project}/clips/${clip}/why`).then(
      (found) => found.sentence,
      (error) => `Not told: ${error.message}`,
    );
    const line = button.closest("li");
    button.replaceWith(el("span", { class: "note" }, sentence));
    line.focus();
    document.querySelector("[data-announce]").textContent = sentence;
  }
  return el("span", { class: "note" }, button);
}

async function revise(line) {
  const { answer, player } = rows.get(line);
  player.toggle();
  const fresh = await revision.ask(answer);
  player.hush();
  if (fresh?.problem) return tell(`Your answer stays as it was: ${fresh.problem}`);
  if (!fresh) return line.focus();
  line.replaceWith(row({ ...answer, state: "revised", revisable: false }));
  const now = row({ ...answer, ...fresh, state: "live", revisable: true });
  list.prepend(now);
  now.focus();
  document.querySelector("[data-announce]").textContent = `Revised: ${words(fresh)}`;
}

function tell(sentence) {
  const notice = document.querySelector("[data-notice]");
  notice.hidden = false;
  notice.textContent = sentence;
}

/** Arrows walk from row to row. */
function walk(step) {
  const all = [...list.children];
  const at = all.indexOf(document.activeElement.closest("li"));
  all[Math.min(Math.max(at + step, 0), all.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    return walk(event.key === "ArrowDown" ? 1 : -1);
  }
  const line = event.target.closest("[data-history] > li");
  if (!line || event.target !== line) return;
  const { answer, player } = rows.get(line);
  if (event.key === " ") player.toggle();
  else if (event.key === "Enter" && answer.revisable) revise(line);
  else return;
  event.preventDefault();
});

more(null);
