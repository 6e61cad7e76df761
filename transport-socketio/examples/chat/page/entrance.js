// The form in which somebody says who they are.

import { $, setText } from "./dom.js";
import { cleanName } from "./text.js";

const form = $("join");
const fields = form.elements;

/** Shows the form. @returns the name and the room that were entered. */
export function ask({ name = "", room = "" }) {
  $("loading").hidden = true;
  $("entrance").hidden = false;
  fields.name.value ||= name;
  fields.room.value ||= room;
  (fields.name.value ? $("enter") : fields.name).focus();
  return new Promise((entered) => {
    form.onsubmit = (submit) => {
      submit.preventDefault();
      const name = cleanName(fields.name.value);
      mark(name ? "" : "Enter a name of 1 to 24 characters, which the others see.");
      if (name) entered({ name, room: fields.room.value.trim() || "lobby" });
      else fields.name.focus();
    };
  });
}

export function close() {
  $("loading").hidden = $("entrance").hidden = true;
  say("");
}

/** Says what the page is doing. */
export function say(text) {
  $("entrance-state").className = "";
  setText($("entrance-state"), text);
}

/** Says why the page could not. */
export function complain(text) {
  say(text);
  $("entrance-state").className = "trouble";
}

/** Marks the name as wrong, or no longer. */
function mark(problem) {
  $("name-problem").hidden = !problem;
  setText($("name-problem"), problem);
  fields.name.setAttribute("aria-invalid", String(problem !== ""));
}
