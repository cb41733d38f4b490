/**
 * Figures under noise: a curve over the signal-to-noise ratio beside the clean figure, and the same as a table.
 */

import { band, colour, layoutOf, rangeOf } from "./chart.js";
import { el } from "./dom.js";
import { heading, scrolled } from "./fairness.js";
import { intervalOf } from "./measures.js";

/**
 * @param {object} examined of the report's examinations
 * @param {import("./measures.js").Measure[]} measures
 * @returns {HTMLElement[]} a place for the chart, and the table
 */
export function noisePanel(examined, measures) {
  const points = [...examined.noise].sort((a, b) => b.snr_db - a.snr_db);
  const noisy = points.map((point) => ({ name: `${point.snr_db} dB`, figures: point }));
  const rows = [{ name: "clean", figures: examined.clean }, ...noisy];
  const head = [heading("SNR"), ...measures.map(({ axis }) => heading(axis, true))];
  const body = rows.map(({ name, figures }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      ...measures.map((measure) => el("td", { class: "figure" }, cell(measure, figures))),
    ),
  );
  const table = el("table", { class: "small" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
  const label = `${measures[0].name} against the signal-to-noise ratio. The table has the same figures.`;
  const chart = el("div", { class: "chart noise-chart", role: "img", "aria-label": label });
  const note = el("p", { class: "muted" }, `${examined.recordings ? "Recorded" : "White"} noise at a signal-to-noise ratio (SNR); brackets: 95 % intervals.`);
  return [...(points.length ? [chart] : []), scrolled("Figures under noise", table), note];
}

function cell(measure, figures) {
  const found = figureOf(measure, figures);
  return found ? el("span", {}, el("b", {}, measure.text(found.value)), " ", intervalOf(measure, found)) : "–";
}

/** The figure of an evaluation, which holds its classes where a learning-curve point holds UAR itself. */
function figureOf(measure, figures) {
  const { uar = null, uar_low = null, uar_high = null } = figures.classes ?? {};
  return measure.of({ uar, uar_low, uar_high, figures });
}

/**
 * @param {HTMLElement} place
 * @param {object} examined
 * @param {import("./measures.js").Measure} measure
 */
export function drawNoise(place, examined, measure) {
  const points = [...examined.noise].sort((a, b) => a.snr_db - b.snr_db).map((p) => [p.snr_db, figureOf(measure, p)]);
  const known = points.filter(([, found]) => found);
  const clean = figureOf(measure, examined.clean);
  if (!known.length || !clean) return;
  const x = known.map(([ratio]) => ratio);
  const drawn = (end) => known.map(([, found]) => measure.scale * found[end]);
  const line = colour("--accent");
  const ends = [...known.map(([, found]) => found), clean];
  const traces = [
    band(x, drawn("low"), drawn("high"), line),
    {
      x,
      y: drawn("value"),
      name: "with noise",
      mode: "lines+markers",
      line: { color: line, width: 2.5 },
      marker: { color: line, size: 8 },
      hovertemplate: "%{x} dB: <b>%{y:.3g}</b><extra></extra>",
    },
    {
      x: [x[0], x.at(-1)],
      y: [measure.scale * clean.value, measure.scale * clean.value],
      name: "clean",
      mode: "lines",
      line: { color: colour("--control"), width: 2, dash: "dot" },
      hovertemplate: "clean: <b>%{y:.3g}</b><extra></extra>",
    },
  ];
  const layout = layoutOf({
    x: { title: { text: "Signal to noise, dB" }, tickvals: x },
    y: {
      title: { text: measure.axis },
      range: rangeOf(Math.min(...ends.map(({ low }) => low)), Math.max(...ends.map(({ high }) => high)), measure.scale),
    },
  });
  window.Plotly.react(place, traces, layout, { displayModeBar: false, responsive: true });
}
