/**
 * How much louder or softer a clip has to sound so that all sound alike.
 *
 * Level: the mean power of the 400 ms blocks that are not pauses, gated in two steps as ITU-R BS.1770 does (without its
 * frequency weighting, which matters little between one voice and another).
 */

const TARGET_DB = -23;
const LOUDEST_PEAK = 0.98;
const MOST_DB = 24;
const BLOCK_S = 0.4;
const HOP_S = 0.1;
const PAUSE_DB = -70;
const GATE_DB = -10;

/**
 * @param {Float32Array} samples mono, full scale is ±1
 * @param {number} rate samples a second
 * @returns {number} the factor to play it with: 1 for silence, never so large that a peak would clip
 */
export function gainFor(samples, rate) {
  const level = levelDb(samples, rate);
  if (level === null) return 1;
  const wanted = Math.min(Math.max(TARGET_DB - level, -MOST_DB), MOST_DB);
  return Math.min(10 ** (wanted / 20), LOUDEST_PEAK / peak(samples));
}

/** @returns {number | null} dB of full scale; null when nothing is above a pause */
export function levelDb(samples, rate) {
  const powers = blockPowers(samples, Math.min(Math.round(BLOCK_S * rate), samples.length), Math.round(HOP_S * rate));
  const heard = powers.filter((power) => decibel(power) > PAUSE_DB);
  if (!heard.length) return null;
  const gate = decibel(mean(heard)) + GATE_DB;
  return decibel(mean(heard.filter((power) => decibel(power) >= gate)));
}

function blockPowers(samples, block, hop) {
  const powers = [];
  for (let from = 0; block > 0 && from + block <= samples.length; from += hop) {
    let sum = 0;
    for (let i = from; i < from + block; i += 1) sum += samples[i] * samples[i];
    powers.push(sum / block);
  }
  return powers;
}

function peak(samples) {
  let most = 1e-6;
  for (const sample of samples) most = Math.max(most, Math.abs(sample));
  return most;
}

const decibel = (power) => 10 * Math.log10(Math.max(power, 1e-12));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
