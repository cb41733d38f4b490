/**
 * How the dashboard writes figures and names.
 */

/** @param {number} share 0–1 @returns {string} per cent with one decimal, without the sign */
export const percent = (share) => (100 * share).toFixed(1);

/** @param {number} figure @returns {string} two decimals, with a real minus and never "−0.00" */
export const hundredths = (figure) => (Math.round(100 * figure) / 100 || 0).toFixed(2).replace("-", "−");

/** @param {string} name an identifier of the API @returns {string} "fine-tuning", "coverage then margin" */
export const plain = (name) => name.replace("fine_tun", "fine-tun").replaceAll("_", " ");

/** @param {{kind: string, path?: string}} strategy */
export const strategyName = (strategy) => strategy.path ?? plain(strategy.kind);

/** @param {number} s @returns {string} */
export function seconds(s) {
  if (s < 10) return `${s.toFixed(1)} s`;
  return s < 120 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`;
}

/** @param {number} m @returns {string} minutes of listening */
export const minutes = (m) => (m < 10 ? m.toFixed(1) : String(Math.round(m)));

/** @param {number} n @param {string} one @param {string} [many] */
export const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
