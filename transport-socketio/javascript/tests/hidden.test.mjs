// Tabs behind another one, with the browser's grace period for their timers switched off: `SOCKETIO_P2P_HIDDEN_SECONDS`
// says for how long, 180 in CI and 30 otherwise.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stage } from "./support/scene.mjs";

const enter = stage({ hides: true });
const seconds = Number(process.env.SOCKETIO_P2P_HIDDEN_SECONDS ?? (process.env.CI ? 180 : 30));

test(`tabs hidden for ${seconds} s stay members and answer, on direct paths and on the server's`, async (t) => {
  const scene = await enter(t);
  const native = await scene.native();
  const tabs = { direct: await scene.member(), server: await scene.member({ policy: "relay-only" }) };
  for (const [path, tab] of Object.entries(tabs)) {
    await tab.until(`the path ${path}`, (id, path) => me.peer(id)?.path === path, native.id, path);
  }
  const front = await scene.tab();
  await front.page.bringToFront();
  for (const tab of Object.values(tabs)) {
    await tab.until("that the tab is hidden", () => document.visibilityState === "hidden");
    await tab.evaluate(() => {
      window.ticks = [performance.now()];
      me.on("ask", (number) => number + 1);
      const tick = () => {
        ticks.push(performance.now());
        setTimeout(tick, 20);
      };
      tick();
    });
  }
  const end = performance.now() + seconds * 1000;
  for (let number = 0; performance.now() < end; number += 1) {
    native.emit("ask", [number], { ack: number });
    for (const { id } of Object.values(tabs)) {
      const { args } = await native.line({ ev: "ack", ack: number, from: id });
      assert.deepEqual(args, [number + 1]);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  for (const [path, tab] of Object.entries(tabs)) {
    const { slowest, hidden, now, lost } = await tab.evaluate((id) => ({
      slowest: Math.max(...[...ticks.slice(1), performance.now()].map((tick, at) => tick - ticks[at])),
      hidden: document.visibilityState,
      now: me.peer(id).path,
      lost: happened.filter(({ name }) => name === "disconnect" || name === "peer-left").length,
    }), native.id);
    t.diagnostic(`${path}: the longest pause of a timer of 20 ms was ${Math.round(slowest)} ms`);
    assert.deepEqual({ hidden, now, lost }, { hidden: "hidden", now: path, lost: 0 });
    // Without an open data channel the browser delays timers to one a minute.
    const least = path === "server" && seconds >= 120 ? 50_000 : 900;
    assert.ok(slowest > least, `a pause of ${slowest} ms: the timers of the tab are not delayed`);
  }
  const gone = native.lines.filter(({ ev }) => ev === "peer-left" || ev === "peer-away");
  assert.deepEqual(gone, []);
});
