/**
 * The last answers, newest first, and the way back to them: out of the outbox while they are still here, from the
 * server once it has them. What was said comes back with the clip, as a draft.
 */

import { call, Unreachable } from "./api.js";
import { uuid } from "./ids.js";

const REMEMBERED = 20;

/** @typedef {{lease: string, key: string, clip: number, said: string, draft: import("./drafts.js").Draft}} Given */

export class Undo {
  /**
   * @param {number} project
   * @param {{outbox: import("./outbox.js").Outbox, leases: import("./leases.js").Leases,
   *   drafts: import("./drafts.js").Drafts}} parts
   */
  constructor(project, { outbox, leases, drafts }) {
    this.project = project;
    this.outbox = outbox;
    this.leases = leases;
    this.drafts = drafts;
    /** @type {Given[]} */
    this.given = [];
    this.busy = false;
  }

  /** What would be taken back. @returns {string} "" when this page gave no answer */
  get said() {
    return this.given[0]?.said ?? "";
  }

  /** @param {Given} given */
  remember(given) {
    this.given = [given, ...this.given].slice(0, REMEMBERED);
  }

  /** The server refused it. @param {string} key */
  forget(key) {
    this.given = this.given.filter((given) => given.key !== key);
  }

  /**
   * Take the last answer back: its clip becomes the current one again.
   * @returns {Promise<{said: string, problem: string}>}
   */
  async last() {
    if (this.busy) return { said: "", problem: "One moment: the answer before is still on its way back." };
    this.busy = true;
    try {
      const [newest] = this.given;
      const here = newest && this.outbox.takeBack(newest.key);
      const said = here ? this.fromOutbox(newest) : await this.fromServer();
      return { said, problem: "" };
    } catch (error) {
      const away = error instanceof Unreachable;
      return {
        said: "",
        problem: away ? "No connection: sent answers can be taken back when it is here again." : error.message,
      };
    } finally {
      this.busy = false;
    }
  }

  fromOutbox(given) {
    this.given.shift();
    this.leases.unshift(given.lease);
    return given.said;
  }

  async fromServer() {
    await this.outbox.send();
    if (this.outbox.link !== "ok") throw new Unreachable("answers wait in the outbox");
    const { leases } = await call("POST", `/projects/${this.project}/undo`, { body: { count: 1 }, key: uuid() });
    const clips = leases.map(({ clip_id: clip }) => clip);
    const back = this.given.find(({ clip }) => clips.includes(clip));
    if (back) {
      this.given = this.given.filter((given) => given !== back);
      for (const { lease_id: id } of leases) this.drafts.keep(id, back.draft);
    }
    this.leases.adopt(leases, true);
    return back?.said ?? "The last answer";
  }
}
