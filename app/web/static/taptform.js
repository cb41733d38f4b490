/**
 * The form that starts a run: a recipe of what was filled in. What is left empty keeps the service's default.
 */

/** Show the fields of the chosen member of a union, and no others. @param {HTMLFormElement} form */
export function chooseKinds(form) {
  for (const choice of form.querySelectorAll("[data-kind]")) {
    const choose = () => {
      for (const group of form.querySelectorAll(`[data-of=${choice.dataset.kind}]`)) {
        group.hidden = group.disabled = group.dataset.kindIs !== choice.value;
      }
    };
    choice.addEventListener("change", choose);
    choose();
  }
}

/** @param {HTMLFormElement} form @returns {object} the body of POST …/tapt */
export function asked(form) {
  const recipe = {};
  const body = { recipe };
  for (const field of form.elements) {
    if (!field.name || field.matches("fieldset[disabled] *") || !filled(field)) continue;
    if (field.name === "activate") body.activate = field.value;
    else if (field.name === "margin") body.margin = Number(field.value) / 100;
    else put(recipe, field.name.split("."), valueOf(field));
  }
  return body;
}

/** Whether a field says more than the default. */
function filled(field) {
  if (!field.matches("select")) return field.value.trim() !== "";
  return field.name.endsWith("kind") || !field.selectedOptions[0].matches("[data-default]");
}

/** Numbers and true or false as they are, several numbers as a list where the default is one; anything else as text. */
function valueOf(field) {
  const text = field.value.trim();
  const isList = field.name.endsWith("layers") || field.name.endsWith("predicted_at");
  if (isList) return text.split(",").map(Number);
  if (text === "true" || text === "false") return text === "true";
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function put(recipe, path, value) {
  const last = path.pop();
  let place = recipe;
  for (const name of path) place = place[name] ??= {};
  place[last] = value;
}
