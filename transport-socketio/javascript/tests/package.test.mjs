// The package in pages, with the example `server`: pages alone, and with native peers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stage } from "./support/scene.mjs";
import { unwrap, wrap } from "./support/native.mjs";
import { until } from "./support/until.mjs";

const enter = stage();

test("two pages find a direct path, and exchange blobs, questions and volatile events", async (t) => {
  const scene = await enter(t);
  const [ann, ben] = await scene.members(2);
  await Promise.all([ann.direct([ben]), ben.direct([ann])]);
  await ben.evaluate(() => {
    me.on("lengths", async ({ parts }) => parts.map((part) => part.length));
    me.on("sum", (a, from, b) => a + b);
  });
  const answers = await ann.evaluate(async () => {
    const [ben] = me.peers;
    const blobs = [bytes(0), new Blob([bytes(1)]), bytes(1_000_000)];
    return [
      await ben.emitWithAck("lengths", { parts: blobs, left: undefined }),
      await ben.emitWithAck("sum", 2, 3),
      (await me.emitWithAck("sum", 4, 5)).map(({ answer }) => answer),
      await me.emit("text", "ä€😀", null, [1.5, true], { __proto__: null, deep: { x: -1 } }),
      await me.volatile.emit("cursor", 1),
      await me.bulk.emit("bulk", new DataView(new ArrayBuffer(3))),
    ];
  });
  assert.deepEqual(answers, [[0, 1, 1_000_000], 5, [9], [], true, []]);
  await ben.until("the bulk event", () => received.some(({ event }) => event === "bulk"));
  const [text] = await ben.evaluate(() => received.filter(({ event }) => event === "text"));
  assert.deepEqual(text, { event: "text", from: ann.id, args: ["ä€😀", null, [1.5, true], { deep: { x: -1 } }] });
  const same = await ben.evaluate(async () => {
    const [{ args }] = received.filter(({ event }) => event === "lengths");
    return (await digest(args[0].parts[2])) === (await digest(bytes(1_000_000)));
  });
  assert.ok(same, "the blob of 1 MB differs");
});

test("five pages reach each other directly", async (t) => {
  const scene = await enter(t);
  const members = await scene.members(5);
  await Promise.all(members.map((member) => member.direct(4)));
  await Promise.all(members.map((member) => member.evaluate(() => me.emit("hello", me.id))));
  for (const member of members) {
    await member.until("four greetings", () => received.filter(({ event }) => event === "hello").length === 4);
  }
});

for (const first of ["a page", "a native peer"]) {
  test(`a page and a native peer talk directly when ${first} joins first`, async (t) => {
    const scene = await enter(t);
    let page, native;
    if (first === "a page") {
      page = await scene.member();
      native = await scene.native();
    } else {
      native = await scene.native();
      page = await scene.member();
    }
    await page.direct([native]);
    await page.evaluate(() => me.emit("blobs", bytes(0), { x: [bytes(1)] }, bytes(1_000_000)));
    const { args } = await until("the blobs", () => native.received("blobs")[0]);
    assert.deepEqual([args[0], args[1].x[0], args[2]].map((blob) => unwrap(blob).length), [0, 1, 1_000_000]);
    native.emit("back", [{ blob: wrap(Buffer.alloc(1000, 7)) }, "text"]);
    await page.until("the native peer's event", () => received.some(({ event }) => event === "back"));
    const back = await page.evaluate(() => {
      const [{ args }] = received.filter(({ event }) => event === "back");
      return [args[0].blob.constructor.name, args[0].blob.length, args[0].blob[999], args[1]];
    });
    assert.deepEqual(back, ["Uint8Array", 1000, 7, "text"]);
  });
}

test("transfers of 20 MB go both ways with their progress, and end when they are refused or aborted", async (t) => {
  const scene = await enter(t);
  const [ann, ben] = await scene.members(2);
  await Promise.all([ann.direct([ben]), ben.direct([ann])]);
  const receive = () => {
    window.read = new Promise((done) => {
      me.on("transfer", async (transfer) => {
        if (transfer.event === "refuse") return transfer.refuse();
        if (transfer.event === "wait") return undefined;
        const whole = await new Response(transfer.accept()).arrayBuffer();
        return done({ event: transfer.event, arg: transfer.arg, size: transfer.size, hash: await digest(whole) });
      });
    });
  };
  await Promise.all([ann.evaluate(receive), ben.evaluate(receive)]);
  const send = async (seed) => {
    const content = bytes(20_000_000, seed);
    const transfer = await me.peers[0].openTransfer("file", { seed }, { size: content.length });
    const steps = [];
    transfer.onprogress = (read, size) => steps.push([read, size]);
    await new Blob([content]).stream().pipeTo(transfer.writable);
    return { outcome: await transfer.done, last: steps.at(-1), steps: steps.length, hash: await digest(content) };
  };
  const [there, back] = await Promise.all([ann.evaluate(send, 1), ben.evaluate(send, 2)]);
  for (const [sent, tab, seed] of [[there, ben, 1], [back, ann, 2]]) {
    assert.equal(sent.outcome, "delivered");
    assert.deepEqual(sent.last, [20_000_000, 20_000_000]);
    assert.ok(sent.steps > 5, `${sent.steps} steps`);
    const read = await tab.evaluate(() => window.read);
    assert.deepEqual(read, { event: "file", arg: { seed }, size: 20_000_000, hash: sent.hash });
  }
  const ended = await ann.evaluate(async () => {
    const refused = await me.peers[0].openTransfer("refuse");
    const writing = new Blob([bytes(5_000_000)]).stream().pipeTo(refused.writable).catch(({ code }) => code);
    const waiting = await me.peers[0].openTransfer("wait");
    const cancelled = new Blob([bytes(5_000_000)]).stream().pipeTo(waiting.writable).catch(({ code }) => code);
    const third = await me.peers[0].openTransfer("wait");
    const writer = third.writable.getWriter();
    const blocked = writer.write(bytes(5_000_000)).catch(String);
    setTimeout(() => [waiting.cancel(), writer.abort("enough")], 200);
    const outcomes = await Promise.all([refused.done, waiting.done, third.done]);
    return [await writing, await cancelled, await blocked, outcomes];
  });
  assert.deepEqual(ended.slice(0, 2), ["transfer", "transfer"]);
  assert.deepEqual(ended[3], ["refused", "aborted", "aborted"]);
});

test("2000 numbered events arrive once and in order while direct paths and the server are cut", async (t) => {
  const scene = await enter(t);
  const page = await scene.member();
  const native = await scene.native();
  await page.direct([native]);
  const sending = page.evaluate(async () => {
    for (let number = 0; number < 2000; number += 1) {
      await me.emit("n", number);
      if (number % 400 === 200) cut.connections();
      if (number % 400 === 399) cut.sockets();
      if (number % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  for (let number = 0; number < 2000; number += 1) native.emit("n", [number]);
  await sending;
  const all = Array.from({ length: 2000 }, (_, number) => number);
  await until("2000 events at the native peer", () => native.received("n").length >= 2000, 60_000);
  await page.until("2000 events in the page", () => received.filter(({ event }) => event === "n").length >= 2000);
  assert.deepEqual(native.received("n").map(({ args }) => args[0]), all);
  assert.deepEqual(await page.evaluate(() => received.filter(({ event }) => event === "n").map(({ args }) => args[0])), all);
  await page.until("new connections", () => opened.connections.length > 1 && opened.sockets.length > 1);
  await page.direct([native]);
});

test("a page that is loaded anew is the same member, and two tabs are two", async (t) => {
  const scene = await enter(t);
  const [ann, ben] = await scene.members(2);
  assert.notEqual(ann.id, ben.id);
  const { id } = ann;
  await ann.reload();
  await ann.join(scene.url, { room: scene.room });
  assert.equal(ann.id, id);
  await ben.direct([ann]);
  await ann.evaluate(() => me.emit("again", 1));
  await ben.until("an event of the new page", (id) => received.some(({ from }) => from === id), id);
  // A failed attempt does not lose who the page is.
  await ann.reload();
  const refused = await ann.evaluate(
    (url, room) => {
      const { WebSocket } = window;
      window.WebSocket = class {
        constructor() {
          throw new DOMException("blocked", "SecurityError");
        }
      };
      return failure(() => p2p.join(url, { room })).finally(() => (window.WebSocket = WebSocket));
    },
    scene.url,
    scene.room,
  );
  assert.equal(refused.code, "no-server");
  await ann.join(scene.url, { room: scene.room });
  assert.equal(ann.id, id);
  // A duplicated tab begins with a copy of the storage.
  const copy = await ann.evaluate(() => ({ ...sessionStorage }));
  const twin = await scene.tab();
  await twin.evaluate((copy) => Object.entries(copy).forEach(([key, value]) => sessionStorage.setItem(key, value)), copy);
  await twin.join(scene.url, { room: scene.room });
  assert.notEqual(twin.id, id);
  assert.ok(await ann.evaluate(() => me.connected));
});

test("what cannot be sent is an error with a code, and the session lives on", async (t) => {
  const scene = await enter(t);
  const [ann, ben] = await scene.members(2);
  const codes = await ann.evaluate(async () => {
    const cyclic = {};
    cyclic.itself = cyclic;
    const detached = new Uint8Array(3);
    structuredClone(detached, { transfer: [detached.buffer] });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const throws = { get x() { throw new Error("no"); } };
    const bad = [1n, { a: [Symbol("s"), 1n] }, () => 1, Symbol("s"), cyclic, detached, proxy, throws, bytes(17 << 20), Array(2 ** 32 - 1)];
    const arguments_ = await Promise.all(bad.map((value) => failure(() => me.emit("bad", value))));
    const names = [undefined, 5, "peer", "error", "disconnecting", "x".repeat(257)];
    const events = await Promise.all(names.map((name) => failure(() => me.emit(name, 1))));
    const others = await Promise.all([
      failure(() => me.to("nobody")),
      failure(() => me.timeout("soon")),
      failure(() => me.peers[0].timeout(50).emitWithAck("nobody answers")),
      failure(() => me.on("chat", "no function")),
      failure(() => p2p.join("ftp://host")),
      failure(() => p2p.join(location.href, { rom: "misspelt" })),
      failure(() => p2p.join("http://127.0.0.1:9")),
    ]);
    const all = [...arguments_, ...events, ...others];
    const odd = all.filter(({ name, isError }) => name !== "P2PError" || !isError);
    await me.emit("good", 1);
    return { odd, codes: [arguments_, events, others].map((some) => some.map(({ code }) => code)) };
  });
  assert.deepEqual(codes.odd, []);
  const argument = "bad-argument";
  assert.deepEqual(codes.codes, [
    [...Array(8).fill(argument), "too-large", "too-large"],
    Array(6).fill("bad-event"),
    ["no-peer", "bad-option", "timeout", argument, "bad-url", "bad-option", "no-server"],
  ]);
  await ben.until("the good event", () => received.some(({ event }) => event === "good"));
  assert.ok(await ben.evaluate(() => received.every(({ event }) => event !== "bad")));
  const closed = await ann.evaluate(async () => [await me.close(), (await failure(() => me.emit("late"))).code]);
  assert.deepEqual(closed, [0, "closed"]);
});

test("a page without WebRTC stays on the server, and says so", async (t) => {
  const scene = await enter(t);
  const page = await scene.tab();
  await page.evaluate(() => delete window.RTCPeerConnection);
  const refused = await page.evaluate((url) => failure(() => p2p.join(url, { policy: "direct-only" })), scene.url);
  assert.equal(refused.code, "bad-page");
  await page.join(scene.url, { room: scene.room });
  const native = await scene.native();
  await page.until("the native peer", () => me.peers.length === 1);
  await page.evaluate(() => me.emit("text", 1));
  await until("the text", () => native.received("text")[0]);
  assert.deepEqual(await page.evaluate(() => [me.policy, me.peers[0].path]), ["relay-only", "server"]);
});

test("a page whose WebSocket is blocked is told that there is no server", async (t) => {
  const scene = await enter(t);
  const page = await scene.tab();
  await page.evaluate(() => {
    window.WebSocket = class {
      constructor() {
        throw new DOMException("blocked", "SecurityError");
      }
    };
  });
  const blocked = await page.evaluate((url) => failure(() => p2p.join(url)), scene.url);
  assert.equal(blocked.code, "no-server");
});

test("an argument cannot pass for the sender, nor an event of a member for one of the session", async (t) => {
  const scene = await enter(t);
  const page = await scene.member();
  const native = await scene.native();
  await page.until("the native peer", () => me.peers.length === 1);
  await page.evaluate(() => {
    window.calls = [];
    me.on("chat", (text, from, ...more) => calls.push([text, from.id, more.length]));
    me.on("peer-left", () => calls.push("peer-left"));
  });
  native.emit("chat", ["hello", { id: "somebody else" }]);
  native.emit("peer-left", [{ id: native.id }]);
  native.emit("chat", [JSON.parse('{"__proto__": {"polluted": true}}')]);
  await page.until("three events", () => received.length === 3);
  // The key is a property as any other: it sets no prototype.
  const seen = await page.evaluate(() => [calls.map((call) => call.slice(1)), calls[1][0].polluted ?? null, {}.polluted ?? null]);
  assert.deepEqual(seen, [[[native.id, 1], [native.id, 0]], null, null]);
});

test("a listener that throws is reported, and neither stops others nor the session", async (t) => {
  const scene = await enter(t);
  const [ann, ben] = await scene.members(2);
  await ben.evaluate(() => {
    window.heard = 0;
    me.on("x", () => {
      throw new Error("a bug");
    });
    me.on("x", () => (heard += 1));
    me.on("ask", async () => {
      throw new Error("no answer");
    });
  });
  const code = await ann.evaluate(async () => {
    await me.emit("x", 1);
    return (await failure(() => me.peers[0].timeout(300).emitWithAck("ask"))).code;
  });
  assert.equal(code, "timeout");
  await ben.until("the second listener", () => heard === 1);
  await ben.until("two errors", () => happened.filter(({ name }) => name === "error").length === 2);
  const errors = await ben.evaluate(() => happened.filter(({ name }) => name === "error").map(({ args }) => [args[0].message, args[1]]));
  assert.deepEqual(errors, [["a bug", "x"], ["no answer", "ask"]]);
});
