/**
 * What an annotator has begun to say about a clip: the chosen classes, the values on the scales, the comment. Kept in
 * the browser from the first key press, so that a reload, a crash or a lost connection costs none of it.
 */

const KEPT_MS = 7 * 24 * 3600_000;

/**
 * @typedef {object} Draft
 * @property {Record<string, number>} classes chosen classes and their intensity (1 where the scheme asks for none)
 * @property {boolean} unclear
 * @property {Record<string, number>} dimensions
 * @property {string} comment
 */

/** @returns {Draft} */
export const emptyDraft = () => ({ classes: {}, unclear: false, dimensions: {}, comment: "" });

export class Drafts {
  /** @param {number} account @param {number} project */
  constructor(account, project) {
    this.prefix = `afterloop.draft.${account}.${project}.`;
    this.forgetOld();
  }

  /** @param {string} lease its id @returns {Draft} */
  read(lease) {
    try {
      const { draft } = JSON.parse(localStorage.getItem(this.prefix + lease));
      return { ...emptyDraft(), ...draft };
    } catch {
      return emptyDraft();
    }
  }

  /** @param {string} lease @param {Draft} draft */
  keep(lease, draft) {
    localStorage.setItem(this.prefix + lease, JSON.stringify({ at: Date.now(), draft }));
  }

  /** @param {string} lease whose answer the server has, or that is lost */
  forget(lease) {
    localStorage.removeItem(this.prefix + lease);
  }

  forgetOld() {
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(this.prefix))) {
      const { at = 0 } = JSON.parse(localStorage.getItem(key)) ?? {};
      if (at < Date.now() - KEPT_MS) localStorage.removeItem(key);
    }
  }
}
