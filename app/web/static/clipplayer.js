/**
 * A small player for lists: a button, a waveform, a length. The sound is fetched when it is first wanted, and only one
 * player of the page sounds at a time.
 */

import { el } from "./dom.js";
import { Player } from "./player.js";
import { preferences } from "./preferences.js";
import { soundAt } from "./sound.js";
import { peaksOf, Waveform } from "./waveform.js";

const SVG = "http://www.w3.org/2000/svg";
const PLAY = "M8 5.5v13l10.5-6.5z";
const PAUSE = "M7.5 5.5h3v13h-3zM13.5 5.5h3v13h-3z";

/** @type {ClipPlayer | null} */
let sounding = null;

export class ClipPlayer {
  /**
   * @param {{url: string, durationS: number, name: string, peaks?: number[]}} clip `name` is said to a screen reader
   */
  constructor({ url, durationS, name, peaks = [] }) {
    this.url = url;
    this.durationS = durationS;
    this.peaks = peaks;
    this.loading = null;
    const canvas = el("canvas", { "aria-hidden": "true" });
    this.button = el("button", { class: "icon", "aria-label": `Play ${name}`, onclick: () => this.toggle() }, icon());
    const length = el("span", { class: "length" }, `${durationS.toFixed(1)} s`);
    this.element = el("div", { class: "clip-player" }, this.button, canvas, length);
    this.waveform = new Waveform(canvas, (fraction) => this.seek(fraction));
    this.waveform.show(peaks);
    this.player = new Player({
      started: () => this.element.classList.add("playing"),
      stopped: () => this.element.classList.remove("playing"),
      moved: (seconds) => this.waveform.move(seconds, this.player.durationS),
      blocked: () => {},
    });
    this.player.setSpeed(preferences().speed);
    this.player.levelled = preferences().loudness;
  }

  /** @param {number[]} peaks that arrived later */
  draw(peaks) {
    this.peaks = peaks;
    this.waveform.show(peaks);
  }

  async toggle() {
    if (!(await this.ready())) return;
    this.takeTheFloor();
    this.player.toggle();
  }

  async seek(fraction) {
    if (!(await this.ready())) return;
    this.takeTheFloor();
    this.player.seekTo(fraction * this.player.durationS);
    this.player.play();
  }

  /** Stop, if it sounds. */
  hush() {
    if (this.player.playing) this.player.toggle();
  }

  takeTheFloor() {
    if (sounding !== this) sounding?.hush();
    sounding = this;
    this.player.enter();
  }

  /** @returns {Promise<boolean>} whether it can be heard */
  async ready() {
    if (this.player.sound) return true;
    this.loading ??= soundAt(this.url, this.durationS);
    try {
      const sound = await this.loading;
      if (!this.player.sound) this.player.load(sound);
      if (!this.peaks.length && sound.samples) this.draw(peaksOf(sound.samples));
      return true;
    } catch (error) {
      this.loading = null;
      this.element.append(el("span", { role: "alert", class: "length" }, `cannot be played: ${error.message}`));
      this.button.disabled = true;
      return false;
    }
  }
}

function icon() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const [name, d] of [
    ["play-shape", PLAY],
    ["pause-shape", PAUSE],
  ]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
