/**
 * The dialog in which an answer is given anew. The server keeps the old one and counts the new one.
 */

import { Answer } from "./answer.js";
import { call } from "./api.js";
import { bodyOf, draftOf } from "./body.js";
import { uuid } from "./ids.js";

export class Revision {
  /** @param {HTMLDialogElement} dialog @param {import("./answer.js").Scheme} scheme */
  constructor(dialog, scheme) {
    this.dialog = dialog;
    this.scheme = scheme;
    this.comment = dialog.querySelector("[data-comment]");
    this.missing = dialog.querySelector("[data-missing]");
    const places = { classes: dialog.querySelector("[data-classes]"), scales: dialog.querySelector("[data-scales]") };
    this.answer = new Answer(scheme, places, { changed: () => this.check() });
    dialog.addEventListener("click", (event) => this.clicked(event));
    dialog.addEventListener("keydown", (event) => this.pressed(event));
  }

  /**
   * @param {object} earlier the answer as the API told it
   * @returns {Promise<object | null>} the new answer, {problem} when it was refused, null when nothing was changed
   */
  ask(earlier) {
    const draft = draftOf(earlier, this.scheme);
    this.answer.show(draft);
    this.comment.value = draft.comment;
    this.check();
    this.dialog.returnValue = "";
    this.dialog.showModal();
    return new Promise((resolve) => {
      const closed = async () => resolve(this.dialog.returnValue === "send" ? await this.send(earlier.id) : null);
      this.dialog.addEventListener("close", closed, { once: true });
    });
  }

  async send(id) {
    const comment = this.comment.value.trim();
    const body = { ...bodyOf(this.answer.draft, this.scheme), ...(comment && { comment }) };
    try {
      return await call("POST", `/annotations/${id}/revision`, { body, key: uuid() });
    } catch (error) {
      return { problem: error.message };
    }
  }

  check() {
    const { missing } = this.answer;
    this.missing.textContent = missing.length ? `Still to say: ${missing.join(", ")}` : "";
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (event.target === this.dialog || button?.matches("[data-close]")) this.dialog.close("");
    else if (button?.matches("[data-send]")) this.done();
    else if (button?.matches("[data-label], [data-unclear]")) this.answer.press(button);
  }

  pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && !event.target.closest("button")) {
      event.preventDefault();
      return this.done();
    }
    if (event.target === this.comment) return;
    const key = event.key.toLowerCase();
    if (key === "arrowup" || key === "arrowdown") this.answer.move(key === "arrowup" ? -1 : 1);
    else if (this.answer.means(key)) this.answer.key(key);
    else return;
    event.preventDefault();
  }

  done() {
    if (this.answer.complete) this.dialog.close("send");
  }
}
