/**
 * The clips this annotator holds: the current one first, the next ones behind it with their audio already here.
 *
 * Held leases survive a reload (sessionStorage: a tab's own), are kept alive by heartbeats while somebody is at the
 * page, and are given up when the server says that somebody else has the clip.
 */

import { bytes, call, Problem, Unreachable } from "./api.js";
import { uuid } from "./ids.js";
import { present } from "./presence.js";

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
 * @property {string} comment typed so far
 * @property {HTMLAudioElement | null} audio once its bytes are here
 * @property {Promise<void>} loading settles when `audio` is there or `failure` says why not
 * @property {string} failure
 */

export class Leases {
  /**
   * @param {number} project
   * @param {number} account
   * @param {number} leaseS seconds the server leaves a clip with a silent annotator
   * @param {{lost: (lease: Lease) => void}} on
   */
  constructor(project, account, leaseS, on) {
    this.project = project;
    this.storageKey = `afterloop.leases.${account}.${project}`;
    this.on = on;
    /** @type {Lease[]} */
    this.held = [];
    /** Answered, but not yet sent: they want heartbeats too. @type {Map<string, Lease>} */
    this.answered = new Map();
    this.filling = null;
    setInterval(() => this.beat(), Math.max((1000 * leaseS) / 3, SHORTEST_BEAT_MS));
  }

  /** @returns {Lease | undefined} */
  get current() {
    return this.held[0];
  }

  /**
   * Take up what this tab held before a reload.
   * @param {Set<string>} answered leases whose answers wait in the outbox
   */
  async restore(answered) {
    const stored = JSON.parse(sessionStorage.getItem(this.storageKey) ?? "[]").filter(({ id }) => !answered.has(id));
    const alive = await Promise.all(stored.map(async (lease) => (await this.stillHeld(lease)) !== "lost"));
    this.held = stored.filter((_, i) => alive[i]).map((lease) => this.withAudio(lease));
    this.store();
  }

  /** Claim until `DEPTH` are held. Calls while one is under way share it. @returns {Promise<void>} */
  fill() {
    if (this.held.length >= DEPTH) return Promise.resolve();
    this.filling ??= this.claim().finally(() => (this.filling = null));
    return this.filling;
  }

  async claim() {
    const path = `/projects/${this.project}/leases`;
    const { leases } = await call("POST", path, { body: { count: DEPTH - this.held.length } });
    const known = new Set([...this.held.map(({ id }) => id), ...this.answered.keys()]);
    for (const lease of leases) {
      if (known.has(lease.lease_id)) continue;
      this.held.push(this.withAudio({
        id: lease.lease_id,
        key: uuid(),
        clip: lease.clip_id,
        peaks: lease.peaks,
        durationS: lease.duration_s,
        audioUrl: lease.audio_url,
        comment: "",
      }));
    }
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
    this.held.unshift(lease);
    this.store();
  }

  /** The server has the answer, or refused it. @param {string} id */
  settle(id) {
    const lease = this.answered.get(id);
    if (lease?.audio) URL.revokeObjectURL(lease.audio.src);
    this.answered.delete(id);
  }

  /** Somebody else has the clip. @param {Lease} lease */
  drop(lease) {
    this.held = this.held.filter(({ id }) => id !== lease.id);
    this.store();
    this.on.lost(lease);
  }

  store() {
    const plain = this.held.map(({ audio, loading, failure, ...rest }) => rest);
    sessionStorage.setItem(this.storageKey, JSON.stringify(plain));
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

  withAudio(lease) {
    const full = { ...lease, audio: null, failure: "" };
    full.loading = this.load(full);
    return full;
  }

  /** Fetch the audio, with a few tries when the server does not answer. */
  async load(lease) {
    lease.failure = "";
    for (let tried = 1; ; tried += 1) {
      try {
        const audio = new Audio(URL.createObjectURL(await bytes(lease.audioUrl)));
        audio.preload = "auto";
        lease.audio = audio;
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
