// Three clients that send what the original library sends, against our server.
// Usage: node v0.mjs <url> <2|4> <transport>[,<transport>]

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [url, version, transports] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const io = require(version === "2" ? "socket.io-client-2" : "socket.io-client");
const timeout = setTimeout(() => {
  console.error("did not finish within 15 s; waiting for:", waiting);
  process.exit(1);
}, 15_000);
const waiting = new Set();

// A client that queues received events until the test takes them.
function client() {
  const options = { forceNew: true, reconnection: false, transports: transports.split(",") };
  const socket = io(url, options);
  const received = [];
  const readers = [];
  // Both versions pass every event to `onevent`.
  const onevent = socket.onevent;
  socket.onevent = function (packet) {
    received.push(packet.data);
    readers.shift()?.();
    onevent.call(this, packet);
  };
  const next = async (event) => {
    const label = `${event} at ${socket.id}`;
    waiting.add(label);
    if (received.length === 0) await new Promise((resolve) => readers.push(resolve));
    waiting.delete(label);
    const [name, ...args] = received.shift();
    assert.equal(name, event);
    return args;
  };
  const connected = new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
  });
  return { socket, next, received, connected };
}

async function join(others) {
  const joined = client();
  assert.deepEqual(await joined.next("numClients"), [others]);
  await joined.connected;
  // The id that the original claims as its own.
  joined.engineId = joined.socket.io.engine.id;
  return joined;
}

// Resolves when the client has upgraded from polling to WebSocket.
async function upgraded({ socket }) {
  const label = `the upgrade of ${socket.id}`;
  waiting.add(label);
  const { engine } = socket.io;
  if (engine.transport.name !== "websocket" || engine.upgrading) {
    await new Promise((resolve) => engine.once("upgrade", resolve));
  }
  waiting.delete(label);
}

const a = await join(0);
const b = await join(1);
const c = await join(2);

// Offers in advance, more than there are members; each earlier member receives one.
const offers = [0, 1, 2, 3, 4].map((number) => ({
  offerId: String(number).repeat(40),
  offer: { type: "offer", sdp: `v=0\r\no=${number} é "\\\r\n` },
}));
c.socket.emit("offers", { offers, fromPeerId: c.engineId });
for (const [number, member] of [a, b].entries()) {
  const [offer] = await member.next("offer");
  assert.deepEqual(offer, { ...offers[number], fromPeerId: c.socket.id });
}

// Answers, and candidates both ways, under claimed ids that the server replaces.
for (const [number, member] of [a, b].entries()) {
  for (const signal of [
    { type: "answer", sdp: "v=0\r\n" },
    { candidate: { candidate: "candidate:1 1 udp 1 10.0.0.1 9 typ host", sdpMLineIndex: 0, sdpMid: "0" } },
  ]) {
    const message = { signal, offerId: offers[number].offerId, toPeerId: c.socket.id };
    member.socket.emit("peer-signal", { ...message, fromPeerId: member.engineId });
    const [heard] = await c.next("peer-signal");
    assert.deepEqual(heard, { ...message, fromPeerId: member.socket.id });
    // The reply is addressed to the claimed id.
    const back = { signal, offerId: message.offerId, toPeerId: member.engineId };
    c.socket.emit("peer-signal", { ...back, fromPeerId: c.engineId });
    const [answered] = await member.next("peer-signal");
    assert.equal(answered.fromPeerId, c.socket.id);
    assert.deepEqual(answered.signal, signal);
  }
}

// Malformed signals that crashed the original server.
b.socket.emit("offers", {});
b.socket.emit("offers");
b.socket.emit("offers", null);
b.socket.emit("peer-signal", { toPeerId: "nobody", signal: {}, offerId: "x" });
b.socket.emit("peer-signal", "nonsense");

// Any other event goes to all other members, with all its arguments.
a.socket.emit("peer-msg", { textVal: "hi é" }, 2, null);
for (const member of [b, c]) {
  assert.deepEqual(await member.next("peer-msg"), [{ textVal: "hi é" }, 2, null]);
}

// Also with attachments. socketioxide 0.18.9 omits the packet type of attachments that it sends to Engine.IO 3
// clients over polling, so those get none here.
const file = Buffer.from([0, 1, 254, 255, 30]);
const empty = Buffer.alloc(0);
const bytes = version === "4" || transports.includes("websocket");
if (bytes) {
  if (transports.includes("websocket")) await Promise.all([a, b, c].map(upgraded));
  a.socket.emit("peer-file", { file, name: "f" }, [empty, { more: file }]);
}
for (const member of bytes ? [b, c] : []) {
  const [first, [second, { more }]] = await member.next("peer-file");
  assert.equal(first.name, "f");
  assert.deepEqual(Buffer.from(first.file), file);
  assert.deepEqual(Buffer.from(second), empty);
  assert.deepEqual(Buffer.from(more), file);
}

// An event with a reserved name reaches no member.
a.socket.emit("peer-disconnect", { peerId: b.socket.id });
a.socket.emit("offer", { fromPeerId: b.socket.id });
a.socket.emit("peer-msg", "last");
for (const member of [b, c]) assert.deepEqual(await member.next("peer-msg"), ["last"]);

const gone = c.socket.id;
c.socket.disconnect();
for (const member of [a, b]) {
  assert.deepEqual(await member.next("peer-disconnect"), [{ peerId: gone }]);
}
for (const member of [a, b]) {
  assert.deepEqual(member.received, []);
  member.socket.disconnect();
}
clearTimeout(timeout);
console.log("ok");
