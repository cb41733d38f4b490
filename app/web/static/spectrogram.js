/**
 * The clip's spectrogram, computed here from its samples when somebody wants to see it: time across, frequency up on
 * the mel scale, 70 dB of range, painted in the page's own ink.
 */

import { spectrumOf } from "./fft.js";

const FRAME = 512;
const ROWS = 128;
const MOST_COLUMNS = 700;
const HOP_S = 0.005;
const RANGE_DB = 70;

const spectrum = spectrumOf(FRAME);

export class Spectrogram {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    /** @type {OffscreenCanvas | HTMLCanvasElement | null} */
    this.picture = null;
    this.fraction = 0;
    this.shown = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show(this.shown));
  }

  /** @param {{samples: Float32Array | null, rate: number} | null} sound */
  show(sound) {
    this.shown = sound;
    this.picture = sound?.samples ? painted(sound.samples, sound.rate, this.inks()) : null;
    this.draw();
  }

  /** @param {number} fraction of the sound that was played */
  move(fraction) {
    this.fraction = fraction;
    if (this.picture) this.draw();
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.context.clearRect(0, 0, width, height);
    if (!this.picture) return;
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(this.picture, 0, 0, width, height);
    this.context.fillStyle = this.cursor;
    this.context.fillRect(Math.min(this.fraction * width, width - 2 * scale), 0, 2 * scale, height);
  }

  inks() {
    const style = getComputedStyle(this.canvas);
    this.cursor = style.getPropertyValue("--wave-played");
    return ["--card", "--spectrum-mid", "--spectrum-full"].map((name) => rgb(style.getPropertyValue(name)));
  }
}

/** Decibels of each mel band in each column, as a picture of its own size. */
function painted(samples, rate, inks) {
  const columns = Math.max(1, Math.min(MOST_COLUMNS, Math.round(samples.length / rate / HOP_S)));
  const bands = melBands(rate);
  const power = new Float32Array(FRAME / 2);
  const levels = new Float32Array(columns * ROWS);
  let most = -Infinity;
  for (let column = 0; column < columns; column += 1) {
    spectrum(samples, Math.round((column / columns) * samples.length) - FRAME / 2, power);
    for (let row = 0; row < ROWS; row += 1) {
      const level = bandLevel(power, bands[row], bands[row + 1]);
      levels[column * ROWS + row] = level;
      most = Math.max(most, level);
    }
  }
  return picture(levels, columns, most, inks);
}

/** Edges of the rows in FFT bins, low to high. */
function melBands(rate) {
  const mel = (hz) => 1127 * Math.log(1 + hz / 700);
  const hertz = (value) => 700 * (Math.exp(value / 1127) - 1);
  const top = mel(rate / 2);
  return Array.from({ length: ROWS + 1 }, (_, row) => (hertz((row / ROWS) * top) * FRAME) / rate);
}

/** dB of the strongest bin between two edges; between neighbours where a band is narrower than a bin. */
function bandLevel(power, low, high) {
  if (high - low < 1) {
    const at = Math.min((low + high) / 2, power.length - 1);
    const under = Math.floor(at);
    const over = Math.min(under + 1, power.length - 1);
    return 10 * Math.log10(power[under] + (power[over] - power[under]) * (at - under) + 1e-9);
  }
  let strongest = 0;
  for (let bin = Math.floor(low); bin < Math.min(Math.ceil(high), power.length); bin += 1) {
    strongest = Math.max(strongest, power[bin]);
  }
  return 10 * Math.log10(strongest + 1e-9);
}

function picture(levels, columns, most, [paper, mid, full]) {
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: ROWS });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, ROWS);
  for (let column = 0; column < columns; column += 1) {
    for (let row = 0; row < ROWS; row += 1) {
      const strength = Math.max(0, 1 - (most - levels[column * ROWS + row]) / RANGE_DB) ** 1.6;
      const [from, to, share] = strength < 0.5 ? [paper, mid, 2 * strength] : [mid, full, 2 * strength - 1];
      const at = 4 * ((ROWS - 1 - row) * columns + column);
      for (let part = 0; part < 3; part += 1) image.data[at + part] = from[part] + (to[part] - from[part]) * share;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function rgb(colour) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = colour.trim() || "#000";
  const hex = probe.fillStyle;
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
