/**
 * Keys of the annotator's page. Keys of an answer belong to whoever asks for them; these are the commands.
 */

const COMMANDS = {
  " ": "toggle",
  r: "replay",
  ArrowLeft: "back",
  ArrowRight: "forward",
  "[": "slower",
  "]": "faster",
  "-": "slower",
  "+": "faster",
  l: "loop",
  n: "level",
  v: "spectrogram",
  x: "context",
  s: "skip",
  c: "comment",
  z: "undo",
  Backspace: "undo",
  i: "guide",
  Enter: "send",
  ArrowUp: "previousPart",
  ArrowDown: "nextPart",
  "?": "help",
};
const NATIVE = {
  radio: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
  range: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
};
const REACHED_BY_TAB = "button:focus-visible, summary:focus-visible, a:focus-visible, input:focus-visible";

/**
 * Call back with what a key press means. Presses inside dialogs and text fields, with Ctrl, Alt or Meta, and repeats of
 * a key that is held down mean nothing here. What was reached by Tab keeps its own Space and Enter, and a scale its
 * arrows.
 * @param {Record<string, () => void>} commands by name; a key whose command is not among them means nothing
 * @param {(key: string) => boolean} onAnswer whether the key answered something
 */
export function listen(commands, onAnswer) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return; // it meant something to a dialog, which may have closed by it
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") || keepsKeys(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const command = commands[COMMANDS[key]];
    if (command) command();
    else if (COMMANDS[key] || !onAnswer(key)) return;
    event.preventDefault();
  });
}

function keepsKeys({ target, key }) {
  if (target.closest("dialog:not([open])")) return false; // just closed: the focus is about to leave it
  if (key === " " || key === "Enter")
    return target.matches(REACHED_BY_TAB) && !(key === "Enter" && target.matches("input"));
  if (!target.matches("input, textarea, select")) return false;
  return !(target.type in NATIVE) || NATIVE[target.type].includes(key);
}
