/**
 * Build elements. Strings become text nodes, so nothing a person typed is ever read as markup.
 */

/**
 * @param {string} tag
 * @param {Record<string, string | boolean | (() => void)>} [attributes] `onclick` takes a function; false leaves it out
 * @param {...(Node | string | number | null)} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null).map((c) => (typeof c === "number" ? String(c) : c)));
  return element;
}

/**
 * Put children in the place of the old ones, unless they would look the same: then the old ones stay, with the focus,
 * the selection and their listeners, which must depend on nothing that the markup does not show.
 * @param {Element} parent @param {Node[]} children
 */
export function replace(parent, children) {
  const next = document.createElement("div");
  next.append(...children);
  if (next.innerHTML !== parent.innerHTML) parent.replaceChildren(...next.childNodes);
}
