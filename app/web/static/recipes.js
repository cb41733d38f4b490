/**
 * A recipe in words: what an operator chose, without what was left as it is.
 */

import { plain } from "./words.js";

/** Fields that are told in their own line, or nowhere because another says them. */
const TOLD = new Set(["method", "start", "augment", "layer", "pooling", "head", "seed"]);
const DEFAULTS = {
  normalise_speakers: false,
  epochs: 30,
  patience: 6,
  learning_rate: null,
  weight_decay: 0.01,
  minibatch: 16,
  accumulate: 1,
  class_weighted: true,
  loss: "cross_entropy",
  focal_gamma: 2,
  label_smoothing: 0,
  dimension_weight: 1,
  precision: "auto",
  cache: "float16",
  checkpoint_activations: false,
  compile: false,
};

/** @param {object} method of a recipe @returns {string} "LoRA (rank 16, feed forward) + gate" */
export function methodName(method) {
  if (!method?.kind) return "";
  if (method.kind === "combined") return method.parts.map(methodName).join(" + ");
  const { kind, ...rest } = method;
  const given = Object.entries(rest).filter(([, value]) => value !== null && value !== false);
  const told = given.map(([name, value]) => (value === true ? words(name) : `${words(name)} ${valueOf(value)}`));
  return told.length ? `${NAMES[kind] ?? words(kind)} (${told.join(", ")})` : (NAMES[kind] ?? words(kind));
}

const POOLINGS = {
  mean_std: "mean and standard deviation",
  active_mean: "mean of active frames",
  attentive: "mean and deviation under attention",
};
const NAMES = { lora: "LoRA", dora: "DoRA", ia3: "IA³", bitfit: "BitFit", last_k: "last blocks", full: "all blocks" };

/** @param {object} recipe @returns {Array<[string, string]>} what is not as it is by default, by name */
export function recipeFacts(recipe) {
  const facts = [["Method", methodName(recipe.method)]];
  const pooling = POOLINGS[recipe.pooling] ?? words(recipe.pooling ?? "");
  if (pooling) facts.push(["Reads", `${statesOf(recipe)}, ${pooling} over time`]);
  if (recipe.head === "conv") facts.push(["Head", "three pointwise convolutions and a hidden layer"]);
  for (const [name, value] of Object.entries(recipe)) {
    if (TOLD.has(name) || !(name in DEFAULTS) || DEFAULTS[name] === value) continue;
    facts.push([capital(words(name)), value === true ? "yes" : value === false ? "no" : valueOf(value)]);
  }
  if (recipe.augment) {
    const { snr_low_db: low, snr_high_db: high, time_mask_share: mask } = recipe.augment;
    facts.push(["Augmented", `noise at ${low} to ${high} dB, up to ${Math.round(100 * mask)} % silenced`]);
  }
  return facts;
}

function statesOf({ layer, method }) {
  const layers = method?.layers ?? [];
  if (layers === "quarters") return "the hidden states at a quarter, a half and three quarters";
  if (layers.length) return `hidden states ${layers.join(", ")}`;
  return layer >= 0 ? `hidden state ${layer}` : "the last hidden state";
}

const words = (name) => plain(name);

function valueOf(value) {
  if (Array.isArray(value)) return value.join(" and ");
  return typeof value === "string" ? words(value) : String(value);
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
