/**
 * Whether more labels are worth it: one sentence above the curve, and behind it what each criterion says. Asks
 * GET …/advice; what an operator finds worth a batch is remembered by the browser, a project each.
 */

import { call } from "./api.js";
import { el, replace } from "./dom.js";

const HUNDREDTHS = 100;

export class Advice {
  /** @param {HTMLElement} place with a sentence, a list and a form @param {number} project */
  constructor(place, project) {
    this.place = place;
    this.project = project;
    this.key = `afterloop.advice.${project}`;
    this.form = place.querySelector("form");
    for (const [name, value] of Object.entries(this.asked())) this.form.elements[name].value = value;
    this.form.addEventListener("change", () => this.change());
    this.form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Ask again and show it. A refusal takes the sentence's place: the figures around it do not wait for advice. */
  async look() {
    try {
      this.paint(await this.ask());
    } catch (error) {
      this.place.querySelector("[data-advice-sentence]").textContent = error.message;
    }
  }

  /** @returns {Promise<object>} of GET …/advice */
  ask() {
    const wanted = new URLSearchParams();
    const { labels, worth } = this.asked();
    if (labels) wanted.set("labels", labels);
    if (worth) wanted.set("worth", String(Number(worth) / HUNDREDTHS));
    return call("GET", `/projects/${this.project}/advice?${wanted}`);
  }

  /** @returns {{labels?: string, worth?: string}} what this browser's owner asked for */
  asked() {
    try {
      return JSON.parse(localStorage.getItem(this.key)) ?? {};
    } catch {
      return {};
    }
  }

  async change() {
    if (!this.form.reportValidity()) return;
    localStorage.setItem(this.key, JSON.stringify(Object.fromEntries(new FormData(this.form))));
    await this.look();
  }

  /** There is nothing to say before the first point. */
  paint(advice) {
    this.place.hidden = advice.n_points === 0;
    this.place.querySelector("[data-advice-sentence]").textContent = advice.sentence;
    this.place.dataset.verdict = advice.verdict;
    replace(this.place.querySelector("[data-criteria]"), advice.criteria.map(criterion));
    replace(this.place.querySelector("[data-advice-law]"), law(advice));
    this.form.elements.labels.placeholder = String(advice.gain?.n_labels ?? "");
    this.place.querySelector("[data-advice-unit]").textContent =
      advice.measure === "UAR" ? "UAR points" : "hundredths of mean CCC";
  }
}

function criterion({ name, verdict, sentence }, place) {
  const decides = place === 0 ? el("span", { class: "muted" }, "decides") : null;
  const pill = el("span", { class: `pill ${verdict === "stop" ? "over" : ""}` }, verdict);
  return el("li", {}, el("p", { class: "criterion" }, el("b", {}, name), pill, decides), el("p", {}, sentence));
}

/** @returns {Node[]} the fitted law, and since when its rounds are counted; nothing while there is none */
function law({ law: found, n_points: points, first_round: first }) {
  if (!found) return [];
  const [a, b, c] = [found.ceiling, found.scale, found.exponent].map((figure) => figure.toFixed(2));
  const since = first ? ` since round ${first}, when encoder, recipe, scheme or test clips changed` : "";
  return [el("span", {}, `Fitted to ${points} rounds${since}: ${a} − ${b} · labels`, el("sup", {}, `−${c}`))];
}
