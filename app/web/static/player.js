/**
 * Plays the current clip. Each clip brings its own, already loaded audio element, so the next one sounds at once.
 */

import { loudness, route } from "./outlet.js";

export const SPEEDS = [0.75, 1, 1.25, 1.5, 1.75, 2];

export class Player {
  /** @param {{started: () => void, stopped: () => void, moved: (seconds: number) => void, blocked: () => void}} on */
  constructor(on) {
    this.on = on;
    /** @type {import("./sound.js").Sound | null} */
    this.sound = null;
    this.speed = 1;
    this.looping = false;
    this.levelled = true;
    /** Seconds of the current clip that have sounded. */
    this.heardS = 0;
    this.frame = 0;
    this.handlers = { playing: () => this.follow(), pause: () => on.stopped(), ended: () => on.stopped() };
  }

  /** @returns {HTMLAudioElement | null} */
  get audio() {
    return this.sound?.audio ?? null;
  }

  get durationS() {
    return this.sound?.durationS ?? 0;
  }

  get playing() {
    return Boolean(this.audio && !this.audio.paused && !this.audio.ended);
  }

  /** Put a clip in, at its beginning. @param {import("./sound.js").Sound | null} sound */
  load(sound) {
    this.unload();
    this.sound = sound;
    this.heardS = 0;
    if (!sound) return;
    const { audio } = sound;
    for (const [event, handler] of Object.entries(this.handlers)) audio.addEventListener(event, handler);
    audio.playbackRate = this.speed;
    audio.loop = this.looping;
    if (audio.currentTime > 0) audio.currentTime = 0;
    this.enter();
  }

  /** Make this clip the one whose loudness counts. */
  enter() {
    if (this.audio) route(this.audio, this.gain);
  }

  unload() {
    if (!this.audio) return;
    for (const [event, handler] of Object.entries(this.handlers)) this.audio.removeEventListener(event, handler);
    this.audio.pause();
    this.sound = null;
  }

  async play() {
    const audio = this.audio;
    if (!audio) return;
    try {
      await audio.play();
    } catch (error) {
      if (audio === this.audio && error.name === "NotAllowedError") this.on.blocked();
    }
  }

  toggle() {
    if (this.playing) this.audio.pause();
    else this.play();
  }

  replay() {
    this.seekTo(0);
    this.play();
  }

  /** Go back (or, when negative, on) and keep playing. @param {number} seconds */
  back(seconds) {
    if (!this.audio) return;
    this.seekTo(this.audio.currentTime - seconds);
    this.play();
  }

  seekTo(seconds) {
    if (!this.audio) return;
    this.audio.currentTime = Math.min(Math.max(seconds, 0), Math.max(this.durationS - 0.05, 0));
    this.on.moved(this.audio.currentTime);
  }

  /** @param {number} factor one of SPEEDS; the pitch stays */
  setSpeed(factor) {
    this.speed = SPEEDS.includes(factor) ? factor : 1;
    if (this.audio) this.audio.playbackRate = this.speed;
  }

  /** Step through the speeds. @param {1 | -1} step @returns {number} the speed now */
  changeSpeed(step) {
    const at = SPEEDS.indexOf(this.speed) + step;
    this.setSpeed(SPEEDS[Math.min(Math.max(at, 0), SPEEDS.length - 1)]);
    return this.speed;
  }

  /** @param {boolean} looping whether the clip begins again when it ends */
  loop(looping) {
    this.looping = looping;
    if (this.audio) this.audio.loop = looping;
  }

  /** @param {boolean} levelled whether clips are made equally loud */
  level(levelled) {
    this.levelled = levelled;
    loudness(this.gain);
  }

  get gain() {
    return this.levelled && this.sound ? this.sound.gain : 1;
  }

  /** Report the position once a frame while the clip sounds. */
  follow() {
    const audio = this.audio;
    let last = audio.currentTime;
    cancelAnimationFrame(this.frame);
    this.on.started();
    const frame = () => {
      if (audio !== this.audio) return;
      this.heardS += Math.max(audio.currentTime - last, 0);
      last = audio.currentTime;
      this.on.moved(audio.ended ? this.durationS : audio.currentTime);
      if (this.playing) this.frame = requestAnimationFrame(frame);
    };
    this.frame = requestAnimationFrame(frame);
  }
}
