/**
 * Plays the current clip. Each clip brings its own, already loaded audio element, so the next one sounds at once.
 */

export const SPEEDS = [0.75, 1, 1.25, 1.5];

export class Player {
  /** @param {{started: () => void, stopped: () => void, moved: (seconds: number) => void, blocked: () => void}} on */
  constructor(on) {
    this.on = on;
    /** @type {HTMLAudioElement | null} */
    this.audio = null;
    this.durationS = 0;
    this.speed = 1;
    /** Seconds of the current clip that have sounded. */
    this.heardS = 0;
    this.frame = 0;
    this.handlers = { playing: () => this.follow(), pause: () => on.stopped(), ended: () => on.stopped() };
  }

  /** Put a clip in, at its beginning. @param {HTMLAudioElement | null} audio @param {number} durationS */
  load(audio, durationS) {
    this.unload();
    this.audio = audio;
    this.durationS = durationS;
    this.heardS = 0;
    if (!audio) return;
    for (const [event, handler] of Object.entries(this.handlers)) audio.addEventListener(event, handler);
    audio.playbackRate = this.speed;
    if (audio.currentTime > 0) audio.currentTime = 0;
  }

  unload() {
    if (!this.audio) return;
    for (const [event, handler] of Object.entries(this.handlers)) this.audio.removeEventListener(event, handler);
    this.audio.pause();
    this.audio = null;
  }

  get playing() {
    return Boolean(this.audio && !this.audio.paused && !this.audio.ended);
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

  /** Step through the speeds. @param {1 | -1} step @returns {number} the speed now */
  changeSpeed(step) {
    const at = SPEEDS.indexOf(this.speed) + step;
    this.speed = SPEEDS[Math.min(Math.max(at, 0), SPEEDS.length - 1)];
    if (this.audio) this.audio.playbackRate = this.speed;
    return this.speed;
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
