/**
 * The clips this annotator holds: the current one first, the next ones behind it with their sound already here.
 *
 * Held leases survive a reload (sessionStorage: a tab's own) and a crash (the server knows them too), are kept alive by
 * heartbeats while somebody is at the page, and are given up when the server says that somebody else has the clip.
 */

import { call, Problem, Unreachable } from "./api.js";
import { Channel } from "./channel.js";
import { uuid } from "./ids.js";
import { present } from "./presence.js";
import { dismiss, soundAt } from "./sound.js";

const DEPTH = 4;
const TRIES = 4;
const SHORTEST_BEAT_MS = 1_000;

/**
 * @typedef {object} Lease
 * @property {string} id over HTTP, `<assignment>.<fence>`
 * @property {string} key the Idempotency-Key its answer will carry
 * @property {number} clip
 * @property {number[]} peaks
 * @property {number} durationS
 * @property {string} audioUrl
 * @property {{label: string, probability: number} | null} guess the model's, where the project shows it
 * @property {import("./sound.js").Sound | null} sound once its bytes are here
 * @property {Promise<void>} loading settles when `sound` is there or `failure` says why not
 * @property {string} failure
 */

export class Leases {
  /**
   * @param {number} project
   * @param {number} account
   * @param {number} leaseS seconds the server leaves a clip with a silent annotator
   * @param {{lost: (lease: Lease) => void, told: (answer: object) => void}} on
   */
  constructor(project, account, leaseS, on) {
    this.project = project;
    this.storageKey = `afterloop.leases.${account}.${project}`;
    this.on = on;
    /** Seconds of the recording that are wanted around each clip. */
    this.contextS = 0;
    /** @type {Lease[]} */
    this.held = [];
    /** Answered, but not yet sent: they want heartbeats too. @type {Map<string, Lease>} */
    this.answered = new Map();
    this.filling = null;
    this.channel = new Channel(this.storageKey, () => [...this.held.map(({ id }) => id), ...this.answered.keys()]);
    setInterval(() => this.beat(), Math.max((1000 * leaseS) / 3, SHORTEST_BEAT_MS));
  }

  /** @returns {Lease | undefined} */
  get current() {
    return this.held[0];
  }

  /**
   * Take up what this tab held before a reload, and what a tab that is gone left behind.
   * @param {Set<string>} answered leases whose answers wait in the outbox
   */
  async restore(answered) {
    const stored = JSON.parse(sessionStorage.getItem(this.storageKey) ?? "[]").filter(({ id }) => !answered.has(id));
    const alive = await Promise.all(stored.map(async (lease) => (await this.stillHeld(lease)) !== "lost"));
    this.held = stored.filter((_, i) => alive[i]).map((lease) => this.withSound(lease));
    const [left, elsewhere] = await Promise.all([this.ofServer(), this.channel.heldElsewhere()]);
    this.adopt(left.filter(({ lease_id: id }) => !answered.has(id) && !elsewhere.has(id)));
    this.store();
  }

  async ofServer() {
    const answer = await call("GET", `/projects/${this.project}/leases`).catch(() => null);
    if (answer) this.on.told(answer);
    return answer?.leases ?? [];
  }

  /** Claim until `DEPTH` are held. Calls while one is under way share it. @returns {Promise<void>} */
  fill() {
    if (this.held.length >= DEPTH) return Promise.resolve();
    this.filling ??= this.claim().finally(() => (this.filling = null));
    return this.filling;
  }

  async claim() {
    const path = `/projects/${this.project}/leases`;
    const answer = await call("POST", path, { body: { count: DEPTH - this.held.length } });
    this.on.told(answer);
    this.adopt(answer.leases);
    this.store();
  }

  /** Hold what the server gave. @param {object[]} given @param {boolean} first in front of the others */
  adopt(given, first = false) {
    const known = new Set([...this.held.map(({ id }) => id), ...this.answered.keys()]);
    const fresh = given.filter(({ lease_id: id }) => !known.has(id)).map((lease) => this.withSound(plain(lease)));
    this.held = first ? [...fresh, ...this.held] : [...this.held, ...fresh];
    this.store();
  }

  /** The current clip was answered: the next one becomes current. @returns {Lease} */
  shift() {
    const lease = this.held.shift();
    this.answered.set(lease.id, lease);
    this.store();
    return lease;
  }

  /** An answer was taken back: its clip is the current one again. @param {string} id */
  unshift(id) {
    const lease = this.answered.get(id);
    this.answered.delete(id);
    this.held.unshift({ ...lease, key: uuid() });
    this.store();
  }

  /** The server has the answer, or refused it. @param {string} id */
  settle(id) {
    dismiss(this.answered.get(id)?.sound ?? null);
    this.answered.delete(id);
  }

  /** Somebody else has the clip. @param {Lease} lease */
  drop(lease) {
    this.held = this.held.filter(({ id }) => id !== lease.id);
    this.store();
    this.on.lost(lease);
    dismiss(lease.sound);
  }

  /** Load every held clip anew, with so much of the recording around it. @param {number} seconds */
  withContext(seconds) {
    this.contextS = seconds;
    for (const lease of this.held) {
      const before = lease.sound;
      lease.sound = null;
      lease.loading = this.load(lease).then(() => dismiss(before));
    }
  }

  store() {
    const bare = this.held.map(({ sound, loading, failure, ...rest }) => rest);
    sessionStorage.setItem(this.storageKey, JSON.stringify(bare));
  }

  async beat() {
    if (!present()) return;
    await Promise.all([...this.answered.values()].map((lease) => this.stillHeld(lease)));
    const verdicts = await Promise.all(this.held.map(async (lease) => [lease, await this.stillHeld(lease)]));
    for (const [lease, verdict] of verdicts) if (verdict === "lost" && this.held.includes(lease)) this.drop(lease);
  }

  /** @returns {Promise<"held" | "lost" | "unknown">} */
  async stillHeld(lease) {
    try {
      await call("POST", `/leases/${lease.id}/heartbeat`);
      return "held";
    } catch (error) {
      return error instanceof Problem && [404, 409, 410].includes(error.status) ? "lost" : "unknown";
    }
  }

  withSound(lease) {
    const full = { ...lease, sound: null, failure: "" };
    full.loading = this.load(full);
    return full;
  }

  /** Fetch the sound, with a few tries when the server does not answer. */
  async load(lease) {
    lease.failure = "";
    const { contextS } = this;
    for (let tried = 1; ; tried += 1) {
      try {
        const sound = await soundAt(lease.audioUrl, lease.durationS, contextS);
        if (contextS === this.contextS) lease.sound = sound;
        else dismiss(sound); // it is being loaded anew
        return;
      } catch (error) {
        const passing = error instanceof Unreachable || error.passing;
        if (!passing || tried === TRIES) {
          lease.failure = error.message;
          return;
        }
        await new Promise((wake) => setTimeout(wake, 300 * 2 ** tried));
      }
    }
  }
}

/** A lease as the page keeps it. */
function plain(lease) {
  return {
    id: lease.lease_id,
    key: uuid(),
    clip: lease.clip_id,
    peaks: lease.peaks,
    durationS: lease.duration_s,
    audioUrl: lease.audio_url,
    guess: lease.guess && { label: lease.guess.label, probability: lease.guess.probabilities[lease.guess.label] },
  };
}
