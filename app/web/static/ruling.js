/**
 * The adjudicator's form: a class (and values, where somebody has an opinion on them), or one of four other decisions,
 * and always a reason.
 */

import { Answer } from "./answer.js";
import { emptyDraft } from "./drafts.js";

const SAID = {
  ambiguous: "left ambiguous",
  exclude: "excluded",
  others: "sent to others",
  same: "sent back",
};

export class Ruling {
  /**
   * @param {HTMLFormElement} form @param {import("./answer.js").Scheme} scheme
   * @param {() => void} onDecided when a decision with its reason was confirmed
   */
  constructor(form, scheme, onDecided) {
    this.form = form;
    this.onDecided = onDecided;
    /** @type {string} "" while nothing is decided, "label" for a class */
    this.decision = "";
    this.reason = form.querySelector("[data-reason]");
    this.chosen = form.querySelector("[data-chosen]");
    const places = { classes: form.querySelector("[data-classes]"), scales: form.querySelector("[data-scales]") };
    const one = { ...scheme, several: false, levels: 1, unclear: false };
    this.answer = new Answer(one, places, { changed: () => this.decide("label") });
    this.decisions = [...form.querySelectorAll("[data-decision]")];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.confirm();
    });
    form.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button?.dataset.decision) this.decide(button.dataset.decision);
      else if (button?.dataset.label) this.answer.press(button);
    });
    this.reason.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.reason.blur();
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.confirm();
    });
  }

  /** Begin anew with another clip. */
  clear() {
    this.answer.show(emptyDraft());
    this.reason.value = "";
    this.decide("");
  }

  /** @param {string} key @returns {boolean} whether it meant something */
  key(key) {
    const other = this.decisions.find(({ dataset }) => dataset.key === key);
    if (other) this.decide(other.dataset.decision);
    else if (this.answer.means(key)) this.answer.key(key);
    else return false;
    return true;
  }

  decide(decision) {
    this.decision = decision;
    if (decision && decision !== "label") this.answer.show(emptyDraft());
    for (const button of this.decisions)
      button.setAttribute("aria-pressed", String(button.dataset.decision === decision));
    this.chosen.textContent = decision ? this.said : "";
  }

  /** The decision in a word or two. */
  get said() {
    return SAID[this.decision] ?? this.answer.said;
  }

  /** Take it if it is whole; otherwise go to what is missing. */
  confirm() {
    if (!this.decision) this.chosen.textContent = "Choose a class or one of the four decisions first.";
    else if (!this.reason.value.trim()) this.reason.focus();
    else this.onDecided();
  }

  /** @returns {[string, object]} where below the clip it is posted, and what */
  get request() {
    const reason = this.reason.value.trim();
    if (this.decision === "others" || this.decision === "same") return ["send-back", { to: this.decision, reason }];
    if (this.decision !== "label") return ["ruling", { decision: this.decision, reason }];
    const [label] = Object.keys(this.answer.draft.classes);
    const { dimensions } = this.answer.draft;
    const values = Object.keys(dimensions).length ? { dimensions } : {};
    return ["ruling", { decision: "label", ...(label && { label }), ...values, reason }];
  }
}
