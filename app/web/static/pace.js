/**
 * How fast this annotator goes: answers a minute over the last few, breaks left out.
 */

const REMEMBERED = 20;
const BREAK_MS = 60_000;

export class Pace {
  constructor() {
    this.gapsMs = [];
    this.last = Date.now();
  }

  /** An answer was given now. */
  tick() {
    const gap = Date.now() - this.last;
    this.last = Date.now();
    if (gap > BREAK_MS) return;
    this.gapsMs.push(gap);
    if (this.gapsMs.length > REMEMBERED) this.gapsMs.shift();
  }

  /** @returns {number | null} answers a minute, once there are three to judge by */
  get aMinute() {
    if (this.gapsMs.length < 3) return null;
    const total = this.gapsMs.reduce((sum, gap) => sum + gap, 0);
    return (60_000 * this.gapsMs.length) / Math.max(total, 1);
  }

  /** @param {number} left clips @returns {string} "about 12 min", or "" before there is a pace */
  timeLeft(left) {
    if (!this.aMinute || !left) return "";
    const minutes = left / this.aMinute;
    if (minutes < 1) return "under a minute";
    if (minutes < 90) return `about ${Math.round(minutes)} min`;
    return `about ${(minutes / 60).toFixed(1)} h`;
  }
}
