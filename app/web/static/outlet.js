/**
 * Where sound leaves the page: every audio element goes through one gain, which makes clips equally loud.
 *
 * Browsers let a page make sound only after a gesture, so the graph is built with the first one. Until then elements
 * play as they are. An element can be connected once in its life; the connection is kept with it.
 */

/** @type {AudioContext | null} */
let context = null;
/** @type {GainNode | null} */
let gain = null;
/** @type {WeakMap<HTMLAudioElement, MediaElementAudioSourceNode>} */
const sources = new WeakMap();
let current = { audio: null, factor: 1 };

/** The clip that sounds next, and how loud. @param {HTMLAudioElement} audio @param {number} factor */
export function route(audio, factor) {
  current = { audio, factor };
  connect();
}

/** @param {number} factor for the clip that sounds now */
export function loudness(factor) {
  current.factor = factor;
  if (gain) gain.gain.value = factor;
}

/** Build the graph once the browser allows it, and wake it when the system put it to sleep. */
function wake() {
  context ??= build();
  if (context?.state === "suspended") context.resume().catch(() => {});
  connect();
}

function build() {
  if (!window.AudioContext) return null;
  const made = new AudioContext({ latencyHint: "interactive" });
  gain = new GainNode(made);
  gain.connect(made.destination);
  return made;
}

function connect() {
  const { audio, factor } = current;
  if (!context || !audio) return;
  if (!sources.has(audio)) {
    const source = context.createMediaElementSource(audio);
    source.connect(gain);
    sources.set(audio, source);
  }
  gain.gain.value = factor;
}

for (const gesture of ["keydown", "pointerup", "touchend"]) addEventListener(gesture, wake, { capture: true });
