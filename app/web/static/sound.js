/**
 * A clip's sound, fetched and ready: an audio element that starts at once, and the decoded samples, from which the
 * loudness and the spectrogram are computed. Elements are used again: a day's two thousand clips need a dozen.
 */

import { bytes } from "./api.js";
import { gainFor } from "./loudness.js";

/** Samples are decoded to what the encoders hear. */
export const RATE = 16_000;

/** @type {HTMLAudioElement[]} */
const idle = [];

/**
 * @typedef {object} Sound
 * @property {HTMLAudioElement} audio
 * @property {Float32Array | null} samples mono at 16 kHz; null where the browser plays the file but cannot decode it
 * @property {number} gain to play it as loud as the others
 * @property {number} fromS where the clip itself begins: behind its context, or 0
 * @property {number} untilS where it ends
 * @property {number} durationS of everything that sounds
 */

/**
 * @param {string} url @param {number} durationS of the clip
 * @param {number} contextS seconds wanted before and after it
 * @returns {Promise<Sound>}
 */
export async function soundAt(url, durationS, contextS = 0) {
  const { blob, headers } = await bytes(contextS ? `${url}?context_s=${contextS}` : url);
  const samples = await decoded(blob);
  const audio = idle.pop() ?? new Audio();
  audio.preload = "auto";
  audio.src = URL.createObjectURL(blob);
  const fromS = Number(headers.get("Clip-Starts-At") ?? 0);
  return {
    audio,
    samples,
    gain: samples ? gainFor(samples, RATE) : 1,
    fromS,
    untilS: fromS + durationS,
    durationS: Math.max(samples ? samples.length / RATE : 0, fromS + durationS),
  };
}

/** Nobody hears it any more. @param {Sound | null} sound */
export function dismiss(sound) {
  if (!sound) return;
  sound.audio.pause();
  URL.revokeObjectURL(sound.audio.src);
  idle.push(sound.audio);
  sound.samples = null;
}

async function decoded(blob) {
  try {
    const buffer = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await blob.arrayBuffer());
    return mixed(buffer);
  } catch {
    return null;
  }
}

/** The channels' mean. @param {AudioBuffer} buffer */
function mixed(buffer) {
  const first = buffer.getChannelData(0);
  for (let channel = 1; channel < buffer.numberOfChannels; channel += 1) {
    const other = buffer.getChannelData(channel);
    for (let i = 0; i < first.length; i += 1) first[i] += other[i];
  }
  if (buffer.numberOfChannels > 1) for (let i = 0; i < first.length; i += 1) first[i] /= buffer.numberOfChannels;
  return first;
}
