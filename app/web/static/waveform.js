/**
 * A clip's waveform on a canvas: mirrored bars from the peaks computed at import, the played part in the accent
 * colour, a cursor, and seeking by pointer or keyboard (it is an ARIA slider). Where context sounds around the clip,
 * the context is faint and the clip stands between two lines.
 */

const BAR = 3;
const GAP = 2;
const QUIETEST = 0.05;
const FAINT = 0.35;
const WHOLE = [0, 1];

export class Waveform {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(fraction: number) => void} onSeek
   */
  constructor(canvas, onSeek) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.peaks = [];
    this.own = WHOLE;
    this.fraction = 0;
    const seek = (event) => onSeek(Math.min(Math.max(event.offsetX / canvas.clientWidth, 0), 1));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      seek(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && seek(event));
    canvas.addEventListener("keydown", (event) => {
      if (event.key !== "Home" && event.key !== "End") return;
      event.preventDefault();
      onSeek(event.key === "Home" ? 0 : 1);
    });
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
    this.resize();
  }

  /**
   * @param {number[]} peaks magnitude a bin, at most 1; the loudest fills the height
   * @param {[number, number]} own where the clip itself lies in them, as fractions
   */
  show(peaks, own = WHOLE) {
    this.peaks = peaks;
    this.own = own;
    this.move(0, 0);
  }

  /** @param {number} seconds @param {number} duration */
  move(seconds, duration) {
    this.fraction = duration ? Math.min(seconds / duration, 1) : 0;
    this.canvas.setAttribute("aria-valuenow", String(Math.round(100 * this.fraction)));
    this.canvas.setAttribute("aria-valuetext", `${seconds.toFixed(1)} of ${duration.toFixed(1)} seconds`);
    this.draw();
  }

  resize() {
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * scale);
    this.canvas.height = Math.round(this.canvas.clientHeight * scale);
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(this.canvas);
    this.colours = { rest: style.getPropertyValue("--wave-rest"), played: style.getPropertyValue("--wave-played") };
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const context = this.context;
    context.clearRect(0, 0, width, height);
    const bars = resampled(this.peaks, Math.floor((width + GAP) / (BAR + GAP)));
    const loudest = Math.max(QUIETEST, ...bars);
    const cursor = this.fraction * width;
    const [from, until] = this.own.map((fraction) => fraction * width);
    bars.forEach((peak, i) => {
      const x = i * (BAR + GAP);
      const tall = Math.max(2, (peak / loudest) * (height - 8));
      context.globalAlpha = x + BAR < from || x > until ? FAINT : 1;
      context.fillStyle = x < cursor ? this.colours.played : this.colours.rest;
      context.beginPath();
      context.roundRect(x, (height - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    });
    context.globalAlpha = 1;
    if (!this.peaks.length) return;
    context.fillStyle = this.colours.rest;
    if (this.own !== WHOLE) for (const edge of [from, until]) context.fillRect(Math.min(edge, width - 1), 0, 1, height);
    context.fillStyle = this.colours.played;
    context.fillRect(Math.min(cursor, width - 2), 0, 2, height);
  }
}

/** The loudest sample in each of n equal stretches. @param {Float32Array} samples @param {number} n */
export function peaksOf(samples, n = 200) {
  const peaks = new Array(n).fill(0);
  const each = samples.length / n;
  for (let i = 0; i < samples.length; i += 1) {
    const bin = Math.min(Math.floor(i / each), n - 1);
    peaks[bin] = Math.max(peaks[bin], Math.abs(samples[i]));
  }
  return peaks;
}

/** The loudest peak in each of n equal stretches. */
function resampled(peaks, n) {
  if (!peaks.length) return new Array(n).fill(0);
  return Array.from({ length: n }, (_, i) => {
    const from = Math.floor((i * peaks.length) / n);
    const to = Math.max(from + 1, Math.floor(((i + 1) * peaks.length) / n));
    return Math.max(...peaks.slice(from, to).map(Math.abs));
  });
}
