/**
 * Answers on their way to the server. An answer is written to localStorage before anything else happens to it, and
 * leaves it only when the server accepted or refused it, so neither a reload nor a lost connection costs one.
 *
 * Every entry has its own storage key: two tabs cannot overwrite each other's. Sending one twice is harmless, because
 * the server recognises its Idempotency-Key. For `GRACE_MS` an entry can still be taken back.
 */

import { call, Problem, Unreachable } from "./api.js";

export const GRACE_MS = 3_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

/**
 * @typedef {object} Entry
 * @property {string} key the Idempotency-Key
 * @property {string} lease the lease's id over HTTP
 * @property {number} project
 * @property {"annotation" | "skip"} verb
 * @property {object} body
 * @property {number} given milliseconds since the epoch
 * @property {number} due milliseconds since the epoch before which it is not sent
 */

export class Outbox {
  /**
   * @param {number} account answers belong to an account: another one on this browser must not send them
   * @param {{sent: (entry: Entry) => void, refused: (entry: Entry, problem: Problem) => void, changed: () => void}} on
   */
  constructor(account, on) {
    this.prefix = `afterloop.outbox.${account}.`;
    this.on = on;
    /** @type {"ok" | "unreachable" | "signed-out"} */
    this.link = "ok";
    this.retryMs = FIRST_RETRY_MS;
    this.timer = 0;
    this.pass = null;
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("pagehide", () => this.sendWhileLeaving());
  }

  /** @returns {Entry[]} what waits, oldest first */
  waiting() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix));
    const entries = keys.map((key) => JSON.parse(localStorage.getItem(key))).filter(Boolean);
    return entries.sort((a, b) => a.given - b.given);
  }

  /** Keep an answer and send it once its time to be taken back is over. @param {Omit<Entry, "given" | "due">} entry */
  add(entry) {
    for (const earlier of this.waiting()) if (earlier.due > Date.now()) this.write({ ...earlier, due: Date.now() });
    this.write({ ...entry, given: Date.now(), due: Date.now() + GRACE_MS });
    this.on.changed();
    this.schedule(0);
  }

  /** Take an answer back before it is sent. @param {string} key @returns {boolean} whether it was still here */
  takeBack(key) {
    const entry = this.waiting().find((waiting) => waiting.key === key);
    if (!entry || entry.due <= Date.now()) return false;
    localStorage.removeItem(this.prefix + key);
    this.on.changed();
    return true;
  }

  /** Send everything now: nobody wants to take it back any more. */
  flush() {
    for (const entry of this.waiting()) this.write({ ...entry, due: Math.min(entry.due, Date.now()) });
    this.schedule(0);
  }

  /** Try again now, whatever the back-off says. */
  hurry() {
    this.retryMs = FIRST_RETRY_MS;
    this.schedule(0);
  }

  schedule(delayMs) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), delayMs);
  }

  /** Send what is due. Calls while one is under way share it. @returns {Promise<void>} */
  send() {
    this.pass ??= this.sendAll().finally(() => (this.pass = null));
    return this.pass;
  }

  async sendAll() {
    let failed = false;
    for (const entry of this.waiting().filter(({ due }) => due <= Date.now())) {
      const outcome = await this.sendOne(entry);
      failed ||= outcome !== "done";
      if (outcome === "stop") break;
    }
    if (!failed) this.setLink("ok");
    this.scheduleNext(failed);
  }

  /** @param {Entry} entry @returns {Promise<"done" | "later" | "stop">} */
  async sendOne(entry) {
    try {
      await call("POST", `/leases/${entry.lease}/${entry.verb}`, { body: entry.body, key: entry.key });
      this.remove(entry);
      this.on.sent(entry);
      return "done";
    } catch (error) {
      if (error instanceof Unreachable) this.setLink("unreachable");
      else if (error.status === 401) this.setLink("signed-out");
      else if (error instanceof Problem && !error.passing) {
        this.remove(entry);
        this.on.refused(entry, error);
        return "done";
      } else return "later";
      return "stop";
    }
  }

  scheduleNext(failed) {
    const next = this.waiting()[0];
    if (!next) return;
    if (!failed) this.retryMs = FIRST_RETRY_MS;
    const wait = failed ? this.retryMs * (0.75 + Math.random() / 2) : next.due - Date.now();
    if (failed) this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
    this.schedule(Math.max(wait, 0));
  }

  /** The page is going: send what waits without waiting for answers. What does not arrive is sent on the next visit. */
  sendWhileLeaving() {
    for (const entry of this.waiting()) {
      this.write({ ...entry, due: Date.now() });
      const { lease, verb, body, key } = entry;
      call("POST", `/leases/${lease}/${verb}`, { body, key, keepalive: true }).catch(() => {});
    }
  }

  setLink(link) {
    if (link === this.link) return;
    this.link = link;
    this.on.changed();
  }

  write(entry) {
    localStorage.setItem(this.prefix + entry.key, JSON.stringify(entry));
  }

  remove(entry) {
    localStorage.removeItem(this.prefix + entry.key);
    this.on.changed();
  }
}
