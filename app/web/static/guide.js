/**
 * Instructions, and examples to listen to, in a dialog that opens by itself on the first visit. While it is open the
 * class keys play that class's example.
 */

import { preferences } from "./preferences.js";
import { route } from "./outlet.js";
import { dismiss, soundAt } from "./sound.js";

export class Guide {
  /**
   * @param {HTMLDialogElement | null} dialog none where the project has neither instructions nor examples
   * @param {string} storageKey under which it is remembered that somebody has read it
   */
  constructor(dialog, storageKey) {
    this.dialog = dialog;
    this.storageKey = storageKey;
    /** @type {Map<string, Promise<import("./sound.js").Sound>>} */
    this.sounds = new Map();
    this.sounding = null;
    /** The example that was asked for last: a sound that arrives late must not speak over it. */
    this.wanted = null;
    dialog?.addEventListener("click", (event) => this.clicked(event));
    dialog?.addEventListener("keydown", (event) => this.pressed(event));
    dialog?.addEventListener("close", () => this.closed());
  }

  /** Whether this version of it was never read to the end on this browser. */
  get unread() {
    return Boolean(this.dialog) && localStorage.getItem(this.storageKey) !== this.dialog.dataset.version;
  }

  /** @returns {Promise<void>} once it is closed */
  open() {
    if (!this.dialog) return Promise.resolve();
    this.dialog.showModal();
    return new Promise((resolve) => this.dialog.addEventListener("close", () => resolve(), { once: true }));
  }

  closed() {
    localStorage.setItem(this.storageKey, this.dialog.dataset.version);
    this.hush();
    for (const sound of this.sounds.values()) sound.then(dismiss, () => {});
    this.sounds.clear();
  }

  clicked(event) {
    const example = event.target.closest("[data-example]");
    if (example?.classList.contains("playing")) this.hush();
    else if (example) this.play(example);
    else if (event.target === this.dialog || event.target.closest("[data-close]")) this.dialog.close();
  }

  pressed(event) {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "i") {
      event.preventDefault();
      return this.dialog.close();
    }
    const same = [...this.dialog.querySelectorAll("[data-example]")].filter(({ dataset }) => dataset.key === event.key);
    if (!same.length) return;
    event.preventDefault();
    this.play(same[(same.findIndex((example) => example.classList.contains("playing")) + 1) % same.length]);
  }

  /** Play an example from its beginning. @param {HTMLElement} example */
  async play(example) {
    this.hush();
    this.wanted = example;
    const { example: url, seconds } = example.dataset;
    if (!this.sounds.has(url)) this.sounds.set(url, soundAt(url, Number(seconds)));
    try {
      const { audio, gain } = await this.sounds.get(url);
      if (example !== this.wanted || !this.dialog.open) return;
      this.sounding = { audio, example };
      example.classList.add("playing");
      audio.onended = () => this.hush();
      audio.loop = false;
      audio.playbackRate = 1;
      audio.currentTime = 0;
      route(audio, preferences().loudness ? gain : 1);
      await audio.play();
    } catch {
      this.sounds.delete(url);
      example.classList.remove("playing");
    }
  }

  hush() {
    this.wanted = null;
    if (!this.sounding) return;
    this.sounding.audio.pause();
    this.sounding.audio.onended = null;
    this.sounding.example.classList.remove("playing");
    this.sounding = null;
  }
}
