// Pages with the package and a page with the original library of 2015 in one room.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stage } from "./support/scene.mjs";

const enter = stage();

test("a page and an original client exchange texts and a blob, and what the original lacks is said", async (t) => {
  const scene = await enter(t);
  const page = await scene.member({ room: "lobby" });
  const original = await scene.tab("/original.html");
  await original.evaluate((url) => start(url), scene.url);
  await page.until("the original client", () => me.peers.length === 1 && me.peers[0].original);
  await page.evaluate(async () => {
    await me.emit("text", { text: "hello" });
    await me.emit("blob", { blob: bytes(50_000) });
  });
  await original.until("the page's events", () => received.length === 2);
  const got = await original.evaluate(() => received.map(({ name, arg }) => [name, arg.text ?? arg.blob.byteLength]));
  assert.deepEqual(got, [["text", "hello"], ["blob", 50_000]]);
  await original.evaluate(() => me.emit("back", { text: "from 2015" }));
  await page.until("the original's event", () => received.some(({ event }) => event === "back"));
  const lacks = await page.evaluate(async () => {
    const { code } = await failure(() => me.peers[0].emitWithAck("question"));
    const transfer = await failure(() => me.peers[0].openTransfer("file"));
    return [code, transfer.code, (await me.emit("blobs", bytes(1), bytes(2))).map(({ error }) => error.code)];
  });
  assert.deepEqual(lacks, ["unsupported", "unsupported", ["unsupported"]]);
});
