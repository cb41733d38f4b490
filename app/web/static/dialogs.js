/**
 * The three dialogs of the annotator's page. They are native: the browser holds the focus inside and closes on Escape.
 */

/**
 * Ask why a clip is skipped. Reasons are picked by their number key, by touch, or by Tab and Enter.
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string | null>} null when it was closed
 */
export function askReason(dialog) {
  const choices = [...dialog.querySelectorAll("[data-reason]")];
  return new Promise((resolve) => {
    const keys = (event) => {
      const choice = choices.find((button) => button.dataset.key === event.key);
      if (!choice || event.repeat) return;
      event.preventDefault();
      dialog.close(choice.dataset.reason);
    };
    const click = (event) => {
      const choice = event.target.closest("[data-reason]");
      if (choice) dialog.close(choice.dataset.reason);
    };
    open(dialog, [["keydown", keys], ["click", click]], resolve);
  });
}

/**
 * Ask for a comment. Enter keeps it, Shift+Enter starts a line, Escape leaves it as it was.
 * @param {HTMLDialogElement} dialog
 * @param {string} before
 * @returns {Promise<string | null>} null when it was closed
 */
export function askComment(dialog, before) {
  const text = dialog.querySelector("textarea");
  text.value = before;
  return new Promise((resolve) => {
    const keep = () => dialog.close("keep");
    const keys = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target !== text) return;
      event.preventDefault();
      keep();
    };
    const click = (event) => event.target.closest("[data-keep]") && keep();
    open(dialog, [["keydown", keys], ["click", click]], (kept) => resolve(kept === null ? null : text.value.trim()));
    text.select();
  });
}

/** @param {HTMLDialogElement} dialog @returns {Promise<null>} once it is closed */
export function showHelp(dialog) {
  return new Promise((resolve) => {
    const keys = (event) => {
      if (event.key !== "?") return;
      event.preventDefault();
      dialog.close("");
    };
    open(dialog, [["keydown", keys]], resolve);
  });
}

function open(dialog, listeners, closed) {
  for (const [event, handler] of listeners) dialog.addEventListener(event, handler);
  const done = () => {
    for (const [event, handler] of listeners) dialog.removeEventListener(event, handler);
    closed(dialog.returnValue || null);
  };
  const away = (event) => (event.target === dialog || event.target.closest("[data-close]")) && dialog.close("");
  dialog.addEventListener("click", away);
  dialog.addEventListener("close", done, { once: true });
  dialog.addEventListener("close", () => dialog.removeEventListener("click", away), { once: true });
  dialog.returnValue = "";
  dialog.showModal();
}
