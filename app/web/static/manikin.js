/**
 * Self-assessment manikins (Bradley and Lang, 1994) as small drawings of lines: valence is in the face, arousal in the
 * chest, dominance in the size. One function a dimension; every feature moves with the place on the scale.
 */

const SVG = "http://www.w3.org/2000/svg";
const BOX = 48;

/** Names people give the three dimensions, and which figure belongs to each. */
const FIGURES = [
  [/^(valence|pleasure|pleasantness)$/i, valence],
  [/^(arousal|activation|energy|excitement)$/i, arousal],
  [/^(dominance|control|power|potency)$/i, dominance],
];

/** What the two ends of the known dimensions mean. */
const ENDS = [
  [/^(valence|pleasure|pleasantness)$/i, ["unpleasant", "pleasant"]],
  [/^(arousal|activation|energy|excitement)$/i, ["calm", "excited"]],
  [/^(dominance|control|power|potency)$/i, ["controlled", "in control"]],
];

/** @param {string} dimension @returns {boolean} whether there are figures for it */
export const hasFigures = (dimension) => FIGURES.some(([name]) => name.test(dimension));

/** @param {string} dimension @returns {[string, string]} the words for its low and its high end */
export const endsOf = (dimension) => ENDS.find(([name]) => name.test(dimension))?.[1] ?? ["low", "high"];

/**
 * @param {string} dimension one that has figures
 * @param {number} place 0 at the low end of the scale, 1 at the high one
 * @returns {SVGSVGElement}
 */
export function manikin(dimension, place) {
  const [, draw] = FIGURES.find(([name]) => name.test(dimension));
  const svg = made("svg", { viewBox: `0 0 ${BOX} ${BOX}`, class: "manikin", "aria-hidden": "true" });
  svg.append(...draw(place));
  return svg;
}

/** A face: brows, eyes, and a mouth that bends from a frown to a smile. */
function valence(place) {
  const bend = 14 * (place - 0.5);
  const brow = 3 * (0.5 - place);
  return [
    body(1),
    head(24, 17, 12),
    line(`M16.5 ${13 + brow * -0.4} L21 ${12.6 + brow}`),
    line(`M27 ${12.6 + brow} L31.5 ${13 + brow * -0.4}`),
    dot(19, 16.5),
    dot(29, 16.5),
    line(`M17.5 ${23 - bend * 0.35} Q24 ${23 + bend * 0.75} 30.5 ${23 - bend * 0.35}`),
  ];
}

/** A chest: a still point that grows into a burst, and eyes that open. */
function arousal(place) {
  const rays = Math.round(6 + 8 * place);
  const inner = 1.2 + 2.6 * place;
  const outer = inner + 8.5 * place;
  const star = Array.from({ length: 2 * rays }, (_, i) => {
    const angle = (Math.PI * i) / rays;
    const reach = i % 2 ? inner : Math.max(outer, inner + 0.1);
    return `${(24 + reach * Math.cos(angle)).toFixed(1)} ${(33 + reach * Math.sin(angle)).toFixed(1)}`;
  });
  const lid = 0.4 + 2 * place;
  const eyes = [19.8, 28.2].map((x) => made("ellipse", { cx: x, cy: 11.5, rx: 1.5, ry: lid, class: "manikin-dot" }));
  return [
    line("M10 46 V33 a10 10 0 0 1 10 -10 h8 a10 10 0 0 1 10 10 V46"),
    head(24, 12, 9),
    ...eyes,
    line(`M${21.5 - place} ${16.6} h${5 + 2 * place}`),
    made("path", { d: `M${star.join(" L")} Z`, class: "manikin-dot" }),
  ];
}

/** A person who is small among the others, or fills the frame. */
function dominance(place) {
  const size = 0.34 + 0.66 * place;
  const figure = made("g", { transform: `translate(24 46) scale(${size.toFixed(2)}) translate(-24 -46)` });
  figure.append(
    line("M8 46 V35 a11 11 0 0 1 11 -11 h10 a11 11 0 0 1 11 11 V46"),
    head(24, 13, 10),
    line("M20 16.5 h8"),
    dot(20.5, 12),
    dot(27.5, 12),
  );
  return [figure];
}

const body = () => line("M12 46 V42 a10 10 0 0 1 10 -10 h4 a10 10 0 0 1 10 10 V46");
const head = (cx, cy, r) => made("circle", { cx, cy, r });
const dot = (cx, cy) => made("circle", { cx, cy, r: 1.5, class: "manikin-dot" });
const line = (d) => made("path", { d });

function made(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
