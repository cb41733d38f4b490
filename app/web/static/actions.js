/**
 * An operator's buttons: ask when it cannot be undone, and say what came of it.
 */

const NOTICE_MS = 8_000;

let timer = 0;

/** @param {string} selector @param {(button: HTMLButtonElement) => void} handler */
export function pressed(selector, handler) {
  for (const button of document.querySelectorAll(selector)) button.addEventListener("click", () => handler(button));
}

/** @param {string} verb what the button says @param {string} detail what will happen @returns {Promise<boolean>} */
export function confirmed(verb, detail) {
  const dialog = document.querySelector("[data-confirm]");
  dialog.querySelector("h2").textContent = `${verb}?`;
  dialog.querySelector("p").textContent = detail;
  dialog.querySelector("[value=yes]").textContent = verb;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** @param {string} sentence shown and announced for a while */
export function notify(sentence) {
  const place = document.querySelector("[data-notice]");
  clearTimeout(timer);
  place.textContent = sentence;
  place.hidden = false;
  timer = setTimeout(() => (place.hidden = true), NOTICE_MS);
}
