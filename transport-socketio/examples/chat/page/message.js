// The events of a chat, the same as those of the terminal's chat: those of the original's chat demo, plus a name.

import { cleanFileName, cleanName, cleanText } from "./text.js";

export const HELLO = "peer-name";
export const TEXT = "peer-msg";
export const PRIVATE = "go-private";
export const FILE = "peer-file";

export const hello = (name) => ({ name });
export const text = (name, text) => ({ textVal: text, name });
export const offer = (name) => ({ name });
export const smallFile = (name, bytes) => ({ name, file: bytes });

// Readers of what others send: `null` when it is something else.

export function readHello(arg) {
  return cleanName(arg?.name);
}

export function readText(arg) {
  if (typeof arg?.textVal !== "string") return null;
  return { text: cleanText(arg.textVal), name: cleanName(arg.name) };
}

export function readOffer(arg) {
  return cleanFileName(arg?.name);
}

/** A file in one event, in one blob or several. */
export function readFile(arg) {
  const parts = [arg?.file].flat();
  if (!parts.every((part) => part instanceof Uint8Array)) return null;
  return { name: cleanFileName(arg.name), parts };
}
