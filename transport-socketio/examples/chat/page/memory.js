// What this tab knows again after it was loaded anew. The package keeps by itself who it is.

const KEY = "chat";

/** The room in which the user is now: `{ room, isPrivate }`. */
let stay = null;

/** @returns the name and, after a reload, the room. */
export function recall() {
  const { name, stay = null } = read();
  // A duplicated tab gets a copy of the storage of the other, and is another person, who has not joined yet.
  write({ name });
  return { name, stay };
}

export function rememberName(name) {
  write({ name });
}

/** Takes down where the user is; `null`: in no room. */
export function rememberStay(now) {
  stay = now;
}

addEventListener("pagehide", () => write({ ...read(), stay }));
// The page was not unloaded, and is shown again.
addEventListener("pageshow", () => write({ ...read(), stay: null }));

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function write(facts) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(facts));
  } catch {
    // A browser may forbid it. Then the tab forgets.
  }
}
