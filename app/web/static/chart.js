/**
 * The learning curve: a measure against labels (or minutes of listening), both arms, 95 % intervals as bands.
 * Drawn by Plotly, which is loaded as a classic script before this module runs. Colours come from the style sheet.
 */

import { intervalOf } from "./measures.js";

const ARMS = [
  { arm: "control", name: "random control", colour: "--control", dash: "dot", symbol: "diamond" },
  { arm: "strategy", name: "strategy", colour: "--accent", dash: "solid", symbol: "circle" },
];
const AXES = { n_labels: "Labels", minutes: "Minutes of listening" };

/**
 * @param {HTMLElement} place
 * @param {Array<object>} points of GET …/curve
 * @param {"n_labels" | "minutes"} axis
 * @param {import("./measures.js").Measure} measure
 */
export function draw(place, points, axis, measure) {
  const measured = points.filter((point) => measure.of(point));
  const traces = ARMS.flatMap((arm) =>
    tracesOf(arm, measured.filter((point) => point.arm === arm.arm), axis, measure),
  );
  const low = Math.min(...measured.map((point) => measure.of(point).low));
  const high = Math.max(...measured.map((point) => measure.of(point).high));
  const layout = layoutOf({
    x: { title: { text: AXES[axis] }, rangemode: "tozero" },
    y: { title: { text: measure.axis }, range: rangeOf(low, high, measure.scale) },
  });
  window.Plotly.react(place, traces, layout, { displayModeBar: false, responsive: true });
}

/** @param {string} name of a custom property @returns {string} */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** What all charts have in common. @param {{x: object, y: object}} axes @returns {object} */
export function layoutOf({ x, y }) {
  const grid = { gridcolor: colour("--line"), zeroline: false, linecolor: colour("--line"), automargin: true };
  return {
    autosize: true,
    margin: { l: 52, r: 12, t: 34, b: 44 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: colour("--sans"), size: 13, color: colour("--muted") },
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--edge"), font: { color: colour("--ink") } },
    hovermode: "closest",
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", traceorder: "reversed" },
    xaxis: { ...grid, ...x, fixedrange: true },
    yaxis: { ...grid, ...y, fixedrange: true },
  };
}

/** A band. @param {number[]} x @param {number[]} lower @param {number[]} upper @param {string} line its colour */
export function band(x, lower, upper, line) {
  return {
    x: [...x, ...x.toReversed()],
    y: [...upper, ...lower.toReversed()],
    fill: "toself",
    fillcolor: line,
    opacity: 0.16,
    mode: "lines",
    line: { width: 0 },
    hoverinfo: "skip",
    showlegend: false,
  };
}

/** The ends of an axis of shares: whole tenths around the figures, inside what the measure can be. */
export function rangeOf(low, high, scale) {
  const floor = Math.floor(low * 10) / 10;
  const ceiling = Math.ceil(high * 10) / 10;
  return [scale * Math.max(scale === 1 ? -1 : 0, floor), scale * Math.min(1, ceiling)];
}

function tracesOf({ name, colour: colourName, dash, symbol }, points, axis, measure) {
  if (!points.length) return [];
  const x = points.map((point) => point[axis]);
  const drawn = (end) => points.map((point) => measure.scale * measure.of(point)[end]);
  const upper = drawn("high");
  const lower = drawn("low");
  const line = colour(colourName);
  const hover = points.map((p) => {
    const figure = measure.of(p);
    const value = `<b>${measure.text(figure.value)}</b> ${intervalOf(measure, figure)}`;
    return `${value}<br>${p.n_labels} labels, round ${p.round}`;
  });
  const curve = {
    x,
    y: drawn("value"),
    name,
    mode: "lines+markers",
    line: { color: line, width: 2.5, dash },
    marker: { color: line, size: 8, symbol },
    text: hover,
    hovertemplate: "%{text}<extra></extra>",
  };
  // One point has no width to fill: its interval is drawn as a bar.
  if (points.length > 1) return [band(x, lower, upper, line), curve];
  const error = { array: [upper[0] - curve.y[0]], arrayminus: [curve.y[0] - lower[0]], color: line, thickness: 1.5 };
  return [{ ...curve, error_y: error }];
}
