/**
 * What a curve and its tables can show: UAR where the scheme has classes, and the CCC of each of its dimensions.
 */

import { hundredths, percent } from "./words.js";

/**
 * @typedef {{value: number, low: number, high: number}} Figure
 * @typedef {object} Measure
 * @property {string} key
 * @property {string} name "UAR", or "CCC of arousal"
 * @property {string} axis the name with its unit
 * @property {string} unit of a difference, in words
 * @property {number} scale what a figure is multiplied by to be drawn
 * @property {(figure: number) => string} text
 * @property {(point: object) => Figure | null} of the figure of a learning-curve point
 */

/** @type {Measure} */
const UAR = {
  key: "uar",
  name: "UAR",
  axis: "UAR, %",
  unit: "points of UAR",
  scale: 100,
  text: percent,
  of: ({ uar, uar_low: low, uar_high: high }) => (uar === null ? null : { value: uar, low, high }),
};

/** @param {string} dimension @returns {Measure} */
function cccOf(dimension) {
  return {
    key: `ccc ${dimension}`,
    name: `CCC of ${dimension}`,
    axis: `CCC of ${dimension}`,
    unit: `CCC of ${dimension}`,
    scale: 1,
    text: hundredths,
    of: ({ figures }) => {
      const found = (figures.dimensions ?? []).find(({ name }) => name === dimension);
      return found ? { value: found.ccc, low: found.ccc_low ?? found.ccc, high: found.ccc_high ?? found.ccc } : null;
    },
  };
}

/** @param {{classes: string[], dimensions: {name: string}[]}} scheme @returns {Measure[]} the first is shown first */
export function measuresOf({ classes, dimensions }) {
  return [...(classes.length ? [UAR] : []), ...dimensions.map(({ name }) => cccOf(name))];
}

/** @param {Measure} measure @param {Figure} figure @returns {string} "[66.2–75.0]" */
export const intervalOf = ({ text }, { low, high }) => `[${text(low)}–${text(high)}]`;
