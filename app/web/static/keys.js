/**
 * Keys of the annotator's page. Class keys come from the buttons the server rendered; these are the commands.
 */

const COMMANDS = {
  " ": "toggle",
  r: "replay",
  ArrowLeft: "back",
  ArrowRight: "forward",
  "[": "slower",
  "]": "faster",
  s: "skip",
  c: "comment",
  z: "takeBack",
  Backspace: "takeBack",
  "?": "help",
};

/**
 * Call back with what a key press means. Presses inside dialogs and text fields, with Ctrl, Alt or Meta, and repeats of
 * a key that is held down mean nothing here. A button that was reached by Tab keeps its own Space and Enter.
 * @param {Map<string, string>} labels key → class name
 * @param {(label: string) => void} onLabel
 * @param {(command: string) => void} onCommand
 */
export function listen(labels, onLabel, onCommand) {
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (document.querySelector("dialog[open]") || event.target.closest("input, textarea, select")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === " " && event.target.matches("button:focus-visible, summary:focus-visible, a:focus-visible")) return;
    const label = labels.get(key);
    const command = COMMANDS[key];
    if (!label && !command) return;
    event.preventDefault();
    if (label) onLabel(label);
    else onCommand(command);
  });
}
