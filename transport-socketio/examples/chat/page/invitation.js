// How others come into the room: a link, or a command for a terminal.

import { $, setText } from "./dom.js";
import * as log from "./log.js";

export function inviteTo(room) {
  setText($("terminal"), command(room));
  $("share").onclick = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      log.note("The link to this room is copied.");
    } catch {
      // Pages over plain HTTP from other machines have no clipboard, and a user may forbid it.
      log.note(`The link to this room: ${location.href}`);
    }
  };
}

function command(room) {
  const where = room === "lobby" ? "" : ` --room ${quoted(room)}`;
  return `cargo run --example chat -- join ${location.origin} --name NAME${where}`;
}

/** A word for a shell. */
function quoted(word) {
  return /^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
