/**
 * The figures on top of the annotator's page: what the server counted, and the answers it had not seen when it did.
 */

import { call } from "./api.js";
import { Pace } from "./pace.js";
import * as view from "./view.js";

const EVERY_MS = 5_000;

export class Tally {
  /**
   * @param {number} project
   * @param {number} account
   * @param {() => number} waiting answers of this project that are still in the outbox
   */
  constructor(project, account, waiting) {
    this.project = project;
    this.account = account;
    this.waiting = waiting;
    this.pace = new Pace();
    /** Answers the server accepted since it was last asked to count. */
    this.uncounted = 0;
    this.progress = null;
    setInterval(() => document.visibilityState === "visible" && this.ask(), EVERY_MS);
  }

  /** Ask the server to count. @returns {Promise<object | null>} the latest progress; its silence changes nothing */
  async ask() {
    const uncounted = this.uncounted;
    const answer = await call("GET", `/projects/${this.project}/progress`).catch(() => null);
    if (answer) {
      this.progress = answer;
      this.uncounted -= uncounted;
      this.paint();
    }
    return this.progress;
  }

  /** The server accepted an answer. */
  accepted() {
    this.uncounted += 1;
    this.paint();
  }

  paint() {
    const { round, annotators } = this.progress ?? { round: null, annotators: [] };
    const unseen = this.uncounted + this.waiting();
    const wanted = round ? round.wanted - round.out : 0;
    const done = round ? Math.min(round.done + unseen, wanted) : 0;
    const mine = annotators.find(({ account_id }) => account_id === this.account)?.annotations ?? 0;
    view.figures(round, { done, wanted, mine: mine + unseen, pace: this.paceText(wanted - done) });
  }

  paceText(left) {
    const pace = this.pace.aMinute;
    if (!pace) return "";
    const time = this.pace.timeLeft(left);
    return `${Math.round(pace)} a minute${time ? ` · ${time} left` : ""}`;
  }
}
