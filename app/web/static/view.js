/**
 * What the annotator sees and hears announced. Text from people goes in as text, never as markup.
 */

const find = (name) => document.querySelector(`[data-${name}]`);

const parts = {
  clip: document.querySelector("[data-view=clip]"),
  waiting: document.querySelector("[data-view=waiting]"),
  announce: find("announce"),
  banner: find("banner"),
  notice: find("notice"),
  start: find("start"),
  trouble: find("trouble"),
  clock: find("clock"),
  speed: find("speed"),
  guess: find("guess"),
  missing: find("missing"),
  qualifying: find("qualifying"),
  last: find("last"),
  lastWaiting: find("last-waiting"),
  lastLabel: find("last-label"),
  comment: find("comment-label"),
  round: find("round"),
  progress: find("progress"),
  done: find("done"),
  total: find("total"),
  mine: find("mine"),
  pace: find("pace"),
  waitingTitle: find("waiting-title"),
  waitingText: find("waiting-text"),
  resume: find("resume"),
};

const NOTICE_MS = 10_000;

let noticeTimer = 0;

/** Show the clip, or the reason there is none. @param {"clip" | "waiting"} view */
export function show(view) {
  parts.clip.hidden = view !== "clip";
  parts.waiting.hidden = view !== "waiting";
}

/** @param {string} title @param {string} text @param {boolean} resumable whether a gesture is needed to go on */
export function showWaiting(title, text, resumable = false) {
  const changed = parts.waiting.hidden || parts.waitingTitle.textContent !== title;
  parts.waitingTitle.textContent = title;
  parts.waitingText.textContent = text;
  parts.resume.hidden = !resumable;
  show("waiting");
  if (changed) announce(`${title}. ${text}`);
}

/** Say it to a screen reader. @param {string} sentence */
export function announce(sentence) {
  parts.announce.textContent = sentence;
}

/** @param {string} sentence or "" for none @param {{href: string, text: string}} [link] */
export function banner(sentence, link) {
  if (parts.banner.dataset.sentence === sentence) return;
  parts.banner.dataset.sentence = sentence;
  parts.banner.hidden = !sentence;
  parts.banner.textContent = sentence;
  if (!link) return;
  const anchor = Object.assign(document.createElement("a"), { href: link.href, textContent: link.text });
  parts.banner.append(" ", anchor);
}

/** Say something once, long enough to be read. @param {string} sentence */
export function notice(sentence) {
  clearTimeout(noticeTimer);
  parts.notice.textContent = sentence;
  parts.notice.hidden = false;
  noticeTimer = setTimeout(() => (parts.notice.hidden = true), NOTICE_MS);
}

/** @param {boolean} asked whether the browser wants a gesture before it plays */
export function askForGesture(asked) {
  parts.start.hidden = !asked;
}

/** @param {string} sentence why the clip cannot be heard, or "" */
export function trouble(sentence) {
  parts.trouble.hidden = !sentence;
  parts.trouble.textContent = sentence;
}

/** @param {boolean} playing */
export function playing(playing) {
  parts.clip.classList.toggle("playing", playing);
}

/** @param {number} at @param {number} duration seconds */
export function clock(at, duration) {
  parts.clock.textContent = `${at.toFixed(1)} / ${duration.toFixed(1)} s`;
}

/** Show what was chosen for a moment. @param {string[]} labels @param {boolean} unclear */
export function flash(labels, unclear) {
  const chosen = ({ dataset }) => (dataset.label === undefined ? unclear : labels.includes(dataset.label));
  for (const button of [...document.querySelectorAll(".class")].filter(chosen)) {
    button.classList.add("flashed");
    setTimeout(() => button.classList.remove("flashed"), 180);
  }
}

/** @param {number} factor */
export function speed(factor) {
  parts.speed.textContent = `${factor} ×`;
  parts.speed.classList.toggle("changed", factor !== 1);
}

/** @param {string} command a button that is on or off @param {boolean} on */
export function pressed(command, on) {
  document.querySelector(`[data-do=${command}]`)?.setAttribute("aria-pressed", String(on));
}

/** @param {string} text */
export function comment(text) {
  parts.comment.textContent = text ? `“${text}”` : "Comment";
}

/** What the model hears, where the project shows it. @param {{label: string, probability: number} | null} guess */
export function guess(guess) {
  if (!parts.guess) return;
  parts.guess.hidden = !guess;
  if (!guess) return;
  const label = Object.assign(document.createElement("b"), { textContent: guess.label });
  parts.guess.replaceChildren("The model hears ", label, `, ${Math.round(100 * guess.probability)} % sure`);
}

/** What an answer still lacks. @param {string[]} names */
export function missing(names) {
  parts.missing.textContent = names.length ? `Still to say: ${names.join(", ")}` : "";
}

/** Say that the clips are those that open the door. @param {boolean} qualifying */
export function qualifying(qualifying) {
  parts.qualifying.hidden = !qualifying;
}

/** Offer to undo the last answer. @param {string} label or "" */
export function lastAnswer(label) {
  parts.last.hidden = !label;
  parts.lastWaiting.hidden = !label;
  parts.lastLabel.textContent = label;
}

/**
 * @param {{number: number} | null} round
 * @param {{done: number, wanted: number, mine: number, pace: string}} figures
 */
export function figures(round, { done, wanted, mine, pace }) {
  parts.round.textContent = round ? `Round ${round.number}` : "";
  parts.progress.hidden = !round;
  const bar = parts.progress.querySelector("progress");
  bar.max = Math.max(wanted, 1);
  bar.value = done;
  parts.done.textContent = String(done);
  parts.total.textContent = String(wanted);
  parts.mine.textContent = String(mine);
  parts.pace.textContent = pace;
}
