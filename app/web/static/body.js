/**
 * A draft as the API takes it.
 */

/**
 * @param {import("./drafts.js").Draft} draft @param {import("./answer.js").Scheme} scheme
 * @returns {object} the body of an annotation, without comment and time
 */
export function bodyOf({ classes, unclear, dimensions }, { several, levels, version }) {
  const names = Object.keys(classes);
  const values = { scheme_version: version, ...(Object.keys(dimensions).length && { dimensions }) };
  if (unclear) return { unclear: true, ...values };
  if (!names.length) return values;
  if (!several) return { label: names[0], ...values };
  const intensities = Object.fromEntries(
    names.map((name) => [name, Math.round((1000 * classes[name]) / levels) / 1000]),
  );
  return { intensities, ...values };
}

/**
 * The way back: an answer of the API as a draft, to be changed.
 * @param {{label?: string | null, intensities?: Record<string, number> | null, unclear?: boolean,
 *   dimensions?: Record<string, number> | null, comment?: string | null}} answer
 * @param {import("./answer.js").Scheme} scheme
 * @returns {import("./drafts.js").Draft}
 */
export function draftOf(answer, { classes, several, levels }) {
  const strengths = answer.intensities ?? (answer.label ? { [answer.label]: 1 } : {});
  const known = Object.entries(strengths).filter(([name]) => classes.includes(name));
  const level = (share) => (several ? Math.max(1, Math.round(share * levels)) : 1);
  return {
    classes: Object.fromEntries(known.map(([name, share]) => [name, level(share)])),
    unclear: Boolean(answer.unclear),
    dimensions: { ...answer.dimensions },
    comment: answer.comment ?? "",
  };
}
