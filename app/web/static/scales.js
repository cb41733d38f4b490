/**
 * One dimension of the scheme as a control: self-assessment figures or numbered steps where the range has nine steps
 * or fewer, a slider where it is finer. Number keys answer it while it is the active one.
 */

import { el } from "./dom.js";
import { endsOf, hasFigures, manikin } from "./manikin.js";

const FEWEST_STEPS = 4;
const MOST_STEPS = 9;

/**
 * @typedef {object} Dimension
 * @property {string} name
 * @property {number} low
 * @property {number} high
 */

/**
 * @param {Dimension} dimension @param {(value: number) => void} onPick
 * @returns {Steps | Slider}
 */
export const scaleFor = (dimension, onPick) =>
  stepsOf(dimension) ? new Steps(dimension, onPick) : new Slider(dimension, onPick);

/** How many steps a range of whole numbers has, or 0 where it is too fine or too coarse for steps (0–1 is a slider). */
function stepsOf({ low, high }) {
  const steps = high - low + 1;
  const whole = Number.isInteger(low) && Number.isInteger(high);
  return whole && steps >= FEWEST_STEPS && steps <= MOST_STEPS ? steps : 0;
}

class Steps {
  constructor(dimension, onPick) {
    this.name = dimension.name;
    this.low = dimension.low;
    this.inputs = Array.from({ length: stepsOf(dimension) }, (_, i) => this.input(dimension, i, onPick));
    const figures = hasFigures(this.name);
    const choices = this.inputs.map((input, i) => {
      const drawing = figures ? manikin(this.name, i / (this.inputs.length - 1)) : null;
      return el("label", { class: "step" }, input, drawing, el("kbd", {}, dimension.low + i));
    });
    this.element = fieldset(this.name, el("div", { class: `steps steps-${this.inputs.length}` }, ...choices));
  }

  input(dimension, i, onPick) {
    const value = dimension.low + i;
    const [low, high] = endsOf(this.name);
    const end = i === 0 ? `, ${low}` : value === dimension.high ? `, ${high}` : "";
    return el("input", {
      type: "radio",
      class: "visually-hidden",
      name: `dimension ${this.name}`,
      value: String(value),
      "aria-label": `${value} of ${dimension.high}${end}`,
      onchange: () => onPick(value),
    });
  }

  /** @param {number | undefined} value */
  show(value) {
    for (const input of this.inputs) input.checked = Number(input.value) === value;
  }

  /** The value a number key stands for: what is written on the step, or its place where the range starts below 1. */
  valueOf(digit) {
    const value = this.low >= 0 ? digit : this.low + digit - 1;
    return this.inputs.some((input) => Number(input.value) === value) ? value : undefined;
  }
}

class Slider {
  constructor(dimension, onPick) {
    this.name = dimension.name;
    this.dimension = dimension;
    const { low, high } = dimension;
    this.input = el("input", {
      type: "range",
      min: String(low),
      max: String(high),
      step: String((high - low) / 100),
      "aria-label": this.name,
      oninput: () => onPick(Number(this.input.value)),
      // a click on the middle, where the knob already is, changes nothing and yet says something
      onpointerup: () => onPick(Number(this.input.value)),
    });
    this.output = el("output", { class: "slider-value" });
    const figures = hasFigures(this.name) ? [0, 1].map((place) => manikin(this.name, place)) : [null, null];
    const line = el("div", { class: "slider" }, figures[0], this.input, figures[1], this.output);
    this.element = fieldset(this.name, line);
  }

  show(value) {
    this.element.classList.toggle("unset", value === undefined);
    const { low, high } = this.dimension;
    this.input.value = String(value ?? (low + high) / 2);
    this.output.textContent = value === undefined ? "–" : rounded(value);
    this.input.setAttribute("aria-valuetext", value === undefined ? "not set" : rounded(value));
  }

  /** 1 is the low end, 9 the high one. */
  valueOf(digit) {
    const { low, high } = this.dimension;
    return digit >= 1 ? low + ((digit - 1) / 8) * (high - low) : undefined;
  }
}

const rounded = (value) => String(Math.round(value * 100) / 100);

function fieldset(name, control) {
  const [low, high] = endsOf(name).map((word) => el("span", { class: "end", "aria-hidden": "true" }, word));
  return el(
    "fieldset",
    { class: "scale" },
    el("legend", {}, name),
    el("div", { class: "scale-body" }, low, control, high),
  );
}
