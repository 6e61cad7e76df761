// The page from its start: a name at the entrance, then a room, until one leaves it.

import { join } from "./module/index.js";
import * as entrance from "./entrance.js";
import { recall, rememberName, rememberStay } from "./memory.js";
import { stay } from "./room.js";
import { inWords } from "./words.js";

/** For how many milliseconds somebody waits at the entrance for a server that does not answer. */
const PATIENCE = 15_000;

async function main() {
  const { name, stay: before } = recall();
  const wanted = new URLSearchParams(location.search).get("room");
  // Loaded anew: back into the room without a question.
  let next = before && before.room === wanted ? { name, ...before } : null;
  for (;;) {
    next ??= await entrance.ask({ name, room: wanted ?? "lobby" });
    const { room } = next;
    entrance.say("Joining …");
    try {
      const peer = await enter(next);
      rememberName(next.name);
      rememberStay({ room, isPrivate: next.isPrivate });
      history.replaceState(null, "", `?${new URLSearchParams({ room })}`);
      entrance.close();
      await stay(peer, next);
      rememberStay(null);
    } catch (error) {
      entrance.complain(`${inWords(error)}.`);
    }
    next = null;
  }
}

/** Joins the room on the server that the page is from. As in the terminal's chat, the user decides when to go private. */
function enter({ name, room }) {
  return join(location.origin, { room, data: { name }, policy: "manual", maxPeers: 16, waitForServer: PATIENCE });
}

main();
