/**
 * How this annotator likes to work, remembered by the browser: what is shown, and how clips sound.
 */

const KEY = "afterloop.preferences";
const FIRST = { loudness: true, spectrogram: false, loop: false, context: false, speed: 1 };

/** @returns {typeof FIRST} */
export function preferences() {
  try {
    return { ...FIRST, ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return { ...FIRST };
  }
}

/** @template {keyof typeof FIRST} K @param {K} name @param {(typeof FIRST)[K]} value */
export function prefer(name, value) {
  localStorage.setItem(KEY, JSON.stringify({ ...preferences(), [name]: value }));
}
