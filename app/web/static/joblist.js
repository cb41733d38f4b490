/**
 * A project's jobs, asked for cheaply: everything once, afterwards only what is younger than the oldest unfinished one.
 */

import { call } from "./api.js";

const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export class JobList {
  /** @param {number} project */
  constructor(project) {
    this.project = project;
    this.byId = new Map();
    this.settled = 0;
  }

  /** @returns {Promise<{live: object[], failed: object | undefined, ended: number}>} newest last */
  async ask() {
    for (let after = this.settled; after !== null; ) {
      const page = await call("GET", `/jobs?project_id=${this.project}&after=${after}&limit=1000`);
      for (const job of page.items) this.byId.set(job.id, job);
      after = page.next_after;
    }
    const jobs = [...this.byId.values()];
    const live = jobs.filter(({ state }) => !ENDED.has(state));
    this.settled = Math.max(0, (live[0] ?? { id: (jobs.at(-1)?.id ?? 0) + 1 }).id - 1);
    const last = jobs.findLast(({ state }) => ENDED.has(state));
    return { live, failed: last?.state === "failed" ? last : undefined, ended: jobs.length - live.length };
  }
}

/** @param {object} job @returns {{text: string, done: number | null, total: number}} what its latest report says */
export function reported(job) {
  const { stage, done, total, step, steps } = job.progress;
  const at = done ?? step ?? null;
  const of = total ?? steps ?? 0;
  const figures = at !== null && of ? ` ${at} of ${of}` : "";
  return { text: `${(stage ?? job.state).replaceAll("_", " ")}${figures}`, done: of ? at : null, total: of };
}
