/**
 * The learning curve: UAR against labels (or minutes of listening), both arms, with their 95 % intervals as bands.
 * Drawn by Plotly, which is loaded as a classic script before this module runs. Colours come from the style sheet.
 */

import { interval, percent } from "./words.js";

const ARMS = [
  { arm: "control", name: "random control", colour: "--control", dash: "dot", symbol: "diamond" },
  { arm: "strategy", name: "strategy", colour: "--accent", dash: "solid", symbol: "circle" },
];
const AXES = { n_labels: "Labels", minutes: "Minutes of listening" };

/**
 * @param {HTMLElement} place
 * @param {Array<object>} points of GET …/curve
 * @param {"n_labels" | "minutes"} axis
 */
export function draw(place, points, axis) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const traces = ARMS.flatMap((arm) => tracesOf(arm, points.filter((point) => point.arm === arm.arm), axis, colour));
  const grid = { gridcolor: colour("--line"), zeroline: false, linecolor: colour("--line"), automargin: true };
  const layout = {
    autosize: true,
    margin: { l: 52, r: 12, t: 34, b: 44 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: style.getPropertyValue("--sans"), size: 13, color: colour("--muted") },
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--edge"), font: { color: colour("--ink") } },
    hovermode: "closest",
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", traceorder: "reversed" },
    xaxis: { ...grid, title: { text: AXES[axis] }, rangemode: "tozero", fixedrange: true },
    yaxis: { ...grid, title: { text: "UAR, %" }, range: rangeOf(points), fixedrange: true },
  };
  window.Plotly.react(place, traces, layout, { displayModeBar: false, responsive: true });
}

function tracesOf({ name, colour: colourName, dash, symbol }, points, axis, colour) {
  if (!points.length) return [];
  const x = points.map((point) => point[axis]);
  const upper = points.map((point) => 100 * point.uar_high);
  const lower = points.map((point) => 100 * point.uar_low);
  const line = colour(colourName);
  const band = {
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
  const hover = points.map(
    (p) => `<b>${percent(p.uar)}</b> ${interval(p)}<br>${p.n_labels} labels, round ${p.round}`,
  );
  const curve = {
    x,
    y: points.map((point) => 100 * point.uar),
    name,
    mode: "lines+markers",
    line: { color: line, width: 2.5, dash },
    marker: { color: line, size: 8, symbol },
    text: hover,
    hovertemplate: "%{text}<extra></extra>",
  };
  // One point has no width to fill: its interval is drawn as a bar.
  if (points.length > 1) return [band, curve];
  const error = { array: [upper[0] - curve.y[0]], arrayminus: [curve.y[0] - lower[0]], color: line, thickness: 1.5 };
  return [{ ...curve, error_y: error }];
}

function rangeOf(points) {
  const low = Math.min(...points.map((point) => 100 * point.uar_low));
  const high = Math.max(...points.map((point) => 100 * point.uar_high));
  return [Math.max(0, Math.floor(low / 10) * 10), Math.min(100, Math.ceil(high / 10) * 10)];
}
