/**
 * The answer that is being given: classes with or without intensities, "unclear", a value on every dimension, whatever
 * the scheme declares. Where it declares one class and nothing else, pressing its key is the answer; otherwise the
 * parts are answered one after the other and sent together.
 *
 * One part is active: number keys mean it. The next unanswered part becomes active by itself.
 */

import { scaleFor } from "./scales.js";

/**
 * @typedef {object} Scheme
 * @property {string[]} classes
 * @property {import("./scales.js").Dimension[]} dimensions
 * @property {boolean} several whether an answer may have several classes
 * @property {number} levels of intensity; 1 where the scheme asks for none
 * @property {boolean} unclear whether "unclear" is an answer
 * @property {number} version of the scheme that is on the page
 */

export class Answer {
  /**
   * @param {Scheme} scheme
   * @param {{classes: HTMLElement | null, scales: HTMLElement | null}} places
   * @param {{changed: () => void, given?: () => void}} on `given`, where one press is to be the whole answer
   */
  constructor(scheme, { classes, scales }, on) {
    this.scheme = scheme;
    this.on = on;
    /** @type {import("./drafts.js").Draft} */
    this.draft = { classes: {}, unclear: false, dimensions: {}, comment: "" };
    this.quick = Boolean(on.given) && !scheme.dimensions.length && !scheme.several;
    this.buttons = [...(classes?.querySelectorAll("[data-label], [data-unclear]") ?? [])];
    this.keys = new Map(this.buttons.map((button) => [button.dataset.key, button]));
    this.scales = scheme.dimensions.map((dimension) =>
      scaleFor(dimension, (value) => this.pickValue(dimension.name, value)),
    );
    scales?.append(...this.scales.map(({ element }) => element));
    this.parts = [...(classes && scheme.classes.length ? [classes] : []), ...this.scales.map((scale) => scale.element)];
    this.active = 0;
    for (const [i, part] of this.parts.entries()) {
      for (const event of ["pointerdown", "focusin"]) part.addEventListener(event, () => this.activate(i));
    }
  }

  /** @param {import("./drafts.js").Draft} draft of the clip that is shown */
  show(draft) {
    this.draft = draft;
    this.activate(
      Math.max(
        this.parts.findIndex((_, i) => !this.answered(i)),
        0,
      ),
    );
    this.paint();
  }

  /** @param {string} key @returns {boolean} whether it answers something now */
  means(key) {
    return this.keys.has(key) || (Boolean(this.scale) && /^\d$/.test(key));
  }

  /** Take a key that means something. @param {string} key @returns {boolean} true */
  key(key) {
    if (this.scale && /^\d$/.test(key)) {
      const value = this.scale.valueOf(Number(key));
      if (value !== undefined) this.pickValue(this.scale.name, value);
    } else this.press(this.keys.get(key));
    return true;
  }

  /** The scale that is active, if a scale is. */
  get scale() {
    return this.scaleOf(this.active);
  }

  scaleOf(part) {
    return this.scales[part - (this.parts.length - this.scales.length)];
  }

  /** A class, or "unclear", was pressed. @param {HTMLElement} button */
  press(button) {
    const { label } = button.dataset;
    const { classes } = this.draft;
    if (label === undefined) {
      this.draft = { ...this.draft, unclear: this.quick || !this.draft.unclear, classes: {} };
    } else if (this.scheme.several) {
      const level = ((classes[label] ?? 0) + 1) % (this.scheme.levels + 1);
      const { [label]: _, ...others } = classes;
      this.draft = { ...this.draft, unclear: false, classes: level ? { ...others, [label]: level } : others };
    } else this.draft = { ...this.draft, unclear: false, classes: { [label]: 1 } };
    this.picked(this.scheme.several);
  }

  pickValue(name, value) {
    this.draft = { ...this.draft, dimensions: { ...this.draft.dimensions, [name]: value } };
    this.picked(false);
  }

  picked(stay) {
    this.on.changed();
    this.paint();
    if (this.quick) this.on.given();
    else if (!stay && this.answered(this.active)) this.advance();
  }

  /** Make the next unanswered part active, or stay. */
  advance() {
    const order = this.parts.map((_, i) => (this.active + 1 + i) % this.parts.length);
    const next = order.find((i) => !this.answered(i));
    if (next !== undefined) this.activate(next);
  }

  /** @param {1 | -1} step */
  move(step) {
    const n = this.parts.length;
    if (n > 1) this.activate((this.active + step + n) % n);
  }

  activate(i) {
    this.active = i;
    const several = this.parts.length > 1;
    for (const [at, part] of this.parts.entries()) part.classList.toggle("active", several && at === i);
  }

  answered(i) {
    const scale = this.scaleOf(i);
    if (scale) return this.draft.dimensions[scale.name] !== undefined;
    return this.draft.unclear || Object.keys(this.draft.classes).length > 0;
  }

  /** Whether it can be sent: "unclear" stands alone, everything else wants every part. */
  get complete() {
    return this.draft.unclear || this.parts.every((_, i) => this.answered(i));
  }

  /** What is still wanted, for a sentence. @returns {string[]} */
  get missing() {
    return this.complete
      ? []
      : this.parts.flatMap((_, i) => (this.answered(i) ? [] : [this.scaleOf(i)?.name ?? "a class"]));
  }

  /** What was said, in a word or two. */
  get said() {
    if (this.draft.unclear) return "unclear";
    const names = Object.keys(this.draft.classes);
    const dimensions = Object.entries(this.draft.dimensions);
    return [...names, ...dimensions.map(([name, value]) => `${name} ${Math.round(100 * value) / 100}`)].join(", ");
  }

  paint() {
    for (const button of this.buttons) {
      const { label } = button.dataset;
      const level = label === undefined ? Number(this.draft.unclear) : (this.draft.classes[label] ?? 0);
      button.classList.toggle("chosen", level > 0);
      if (!this.quick) button.setAttribute("aria-pressed", String(level > 0));
      const dots = button.querySelector("[data-levels]");
      if (dots) paintLevels(dots, level, this.scheme.levels);
    }
    for (const scale of this.scales) scale.show(this.draft.dimensions[scale.name]);
  }
}

/** Intensity as filled dots, and in words for a screen reader. */
function paintLevels(place, level, levels) {
  const dots = Array.from({ length: levels }, (_, i) => {
    const dot = document.createElement("i");
    dot.classList.toggle("full", i < level);
    return dot;
  });
  const words = Object.assign(document.createElement("span"), { className: "visually-hidden" });
  words.textContent = level ? `intensity ${level} of ${levels}` : "";
  place.replaceChildren(...dots, words);
}
