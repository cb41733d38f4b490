/**
 * A clip's waveform on a canvas: mirrored bars from the peaks computed at import, the played part in the accent
 * colour, a cursor, and seeking by pointer or keyboard (it is an ARIA slider).
 */

const BAR = 3;
const GAP = 2;
const QUIETEST = 0.05;

export class Waveform {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(fraction: number) => void} onSeek
   */
  constructor(canvas, onSeek) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.peaks = [];
    this.fraction = 0;
    const seek = (event) => onSeek(Math.min(Math.max(event.offsetX / canvas.clientWidth, 0), 1));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      seek(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && seek(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
    this.resize();
  }

  /** @param {number[]} peaks magnitude a bin, at most 1; the loudest fills the height */
  show(peaks) {
    this.peaks = peaks;
    this.fraction = 0;
    this.draw();
  }

  /** @param {number} fraction of the clip that was played */
  move(fraction) {
    this.fraction = fraction;
    this.canvas.setAttribute("aria-valuenow", String(Math.round(100 * fraction)));
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
    bars.forEach((peak, i) => {
      const x = i * (BAR + GAP);
      const tall = Math.max(2, (peak / loudest) * (height - 8));
      context.fillStyle = x < cursor ? this.colours.played : this.colours.rest;
      context.beginPath();
      context.roundRect(x, (height - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    });
    if (this.peaks.length) {
      context.fillStyle = this.colours.played;
      context.fillRect(Math.min(cursor, width - 2), 0, 2, height);
    }
  }
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
