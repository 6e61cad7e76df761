// A page with the package. Tests call what this puts on `window`.

import * as p2p from "/index.js";

/** What members have sent, and what has happened in the session, in the order in which it came. */
const received = [];
const happened = [];

const names = [
  ...["peer", "peer-changed", "peer-left", "peer-error", "ready", "upgrade"],
  ...["connect", "disconnect", "refused", "error", "close"],
];

async function join(url, options) {
  const peer = await p2p.join(url, options);
  window.me = peer;
  peer.onAny((event, from, ...args) => received.push({ event, from: from.id, args }));
  for (const name of names) peer.on(name, (...args) => happened.push({ name, args }));
  return peer.id;
}

/** Bytes that are the same in each run, and not periodic. */
function bytes(length, seed = 1) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let i = 0; i < words.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state ^ (state >>> 15);
  }
  return new Uint8Array(words.buffer, 0, length);
}

async function digest(data) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The error of what must fail. */
async function failure(act) {
  try {
    return { returned: String(await act()) };
  } catch (error) {
    const { name, code, message, reason } = error;
    return { name, code, message, reason, isError: error instanceof Error };
  }
}

Object.assign(window, { p2p, join, received, happened, bytes, digest, failure, loaded: true });
