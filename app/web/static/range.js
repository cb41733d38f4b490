/**
 * Small pictures of figures: a value with its interval on a line from −0.2 to 1, and a course over days.
 */

const SVG = "http://www.w3.org/2000/svg";
const LEFT = -0.2;
const HEIGHT = 24;
const MIDDLE = HEIGHT / 2;
const COURSE = 240;

/** @param {{value: number, low: number | null, high: number | null}} figure @returns {SVGSVGElement} */
export function range({ value, low, high }) {
  const parts = [
    made("line", { class: "whole", x1: 0, x2: "100%", y1: MIDDLE, y2: MIDDLE }),
    made("line", { class: "zero", x1: across(0), x2: across(0), y1: 2, y2: HEIGHT - 2 }),
  ];
  if (low !== null && high !== null) {
    parts.push(made("line", { class: "interval", x1: across(low), x2: across(high), y1: MIDDLE, y2: MIDDLE }));
  }
  parts.push(made("circle", { class: "value", cx: across(value), cy: MIDDLE, r: 5 }));
  const svg = made("svg", { class: "range", "aria-hidden": "true" });
  svg.append(...parts);
  return svg;
}

/** Where a figure lies between the ends, in per cent. */
const across = (figure) => `${((100 * (Math.min(Math.max(figure, LEFT), 1) - LEFT)) / (1 - LEFT)).toFixed(1)}%`;

/** @param {number[]} values 0–1, in order @returns {SVGSVGElement} */
export function course(values) {
  const step = COURSE / Math.max(values.length - 1, 1);
  const points = values.map((value, i) => `${(i * step).toFixed(1)},${(HEIGHT - 2 - value * (HEIGHT - 4)).toFixed(1)}`);
  const viewBox = `0 0 ${COURSE} ${HEIGHT}`;
  const svg = made("svg", { class: "course", viewBox, preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(made("polyline", { class: "trend", points: points.join(" ") }));
  return svg;
}

function made(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
