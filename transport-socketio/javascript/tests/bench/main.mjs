// Figures of pages: `SOCKETIO_P2P_JAVASCRIPT=DIR node bench/main.mjs`.
//
// 1. The time from `join` to a direct path, of a page to a native peer, on loopback, over 50 runs.
// 2. The throughput of events with 16 KiB from page to page beside that of a bare RTCDataChannel with messages of 16 KiB,
//    alternately in one run, and their ratio.

import { launch } from "../support/browser.mjs";
import { Native } from "../support/native.mjs";
import { Signaling } from "../support/signaling.mjs";
import { serveSite } from "../support/site.mjs";
import { Tab } from "../support/tab.mjs";
import { until } from "../support/until.mjs";

const messages = 2000;
const size = 16_384;

async function timesToDirect(open, url) {
  const native = await Native.join(url, { room: "times" });
  const times = [];
  for (let run = 0; run < 50; run += 1) {
    const tab = await open();
    // The module is loaded before, as a page does that shows a form first.
    times.push(await tab.evaluate(async (url) => {
      await p2p.init();
      const begin = performance.now();
      const peer = await p2p.join(url, { room: "times", storage: null });
      const direct = new Promise((resolve) => peer.on("peer-changed", ({ path }) => path === "direct" && resolve()));
      await direct;
      const time = performance.now() - begin;
      await peer.close();
      return time;
    }, url));
    await tab.close();
  }
  native.kill();
  times.sort((a, b) => a - b);
  return times;
}

/** Bytes per second of a session from one page to another. */
async function session(from, to) {
  await to.evaluate(() => {
    window.count = 0;
    me.on("piece", () => (window.count += 1));
  });
  const begin = performance.now();
  await from.evaluate(async (messages, size) => {
    const piece = bytes(size);
    const [other] = me.peers;
    for (let sent = 0; sent < messages; sent += 1) await other.emit("piece", piece);
  }, messages, size);
  await until("all pieces", () => to.evaluate((messages) => window.count >= messages, messages));
  await to.evaluate(() => me.off("piece"));
  return (messages * size * 1000) / (performance.now() - begin);
}

/** A bare data channel between two pages, in `window.channel` of both. */
async function connect(from, to) {
  const open = async (tab, offer) => tab.evaluate(async (offer) => {
    const connection = (window.bare = new RTCPeerConnection());
    const gathered = new Promise((done) => (connection.onicecandidate = ({ candidate }) => candidate ?? done()));
    const take = (channel) => (window.channel = Object.assign(channel, { binaryType: "arraybuffer" }));
    if (offer === null) take(connection.createDataChannel("bare"));
    else await connection.setRemoteDescription(offer);
    connection.ondatachannel = ({ channel }) => take(channel);
    await connection.setLocalDescription();
    await gathered;
    return connection.localDescription.toJSON();
  }, offer);
  const answer = await open(to, await open(from, null));
  await from.evaluate((answer) => bare.setRemoteDescription(answer), answer);
  for (const tab of [from, to]) await tab.until("an open channel", () => window.channel?.readyState === "open");
}

/** Bytes per second of the bare channel. */
async function channel(from, to) {
  await to.evaluate(() => {
    window.count = 0;
    window.channel.onmessage = () => (window.count += 1);
  });
  const begin = performance.now();
  await from.evaluate(async (messages, size) => {
    const piece = bytes(size);
    window.channel.bufferedAmountLowThreshold = 128 * 1024;
    for (let sent = 0; sent < messages; sent += 1) {
      if (window.channel.bufferedAmount > 256 * 1024) {
        await new Promise((low) => (window.channel.onbufferedamountlow = low));
      }
      window.channel.send(piece);
    }
  }, messages, size);
  await until("all messages", () => to.evaluate((messages) => window.count >= messages, messages));
  return (messages * size * 1000) / (performance.now() - begin);
}

const [{ browser, close }, signaling, site] = await Promise.all([launch(), Signaling.start(), serveSite()]);
try {
  const open = () => Tab.open(browser, `${site.url}/member.html`);
  const times = await timesToDirect(open, signaling.url);
  console.log(`join to a direct path, 50 runs: p50 ${times[24].toFixed(0)} ms, p95 ${times[47].toFixed(0)} ms`);

  const [from, to] = await Promise.all([open(), open()]);
  for (const tab of [from, to]) await tab.join(signaling.url, { room: "speed" });
  await Promise.all([from.direct(1), to.direct(1)]);
  await connect(from, to);
  const ours = [];
  const bare = [];
  for (let round = 0; round < 5; round += 1) {
    ours.push(await session(from, to));
    bare.push(await channel(from, to));
  }
  const median = (values) => values.toSorted((a, b) => a - b)[2];
  const [a, b] = [median(ours), median(bare)];
  console.log(`16 KiB: session ${(a / 1e6).toFixed(1)} MB/s, bare channel ${(b / 1e6).toFixed(1)} MB/s, ratio ${(a / b).toFixed(2)}`);
} finally {
  await close();
  await signaling.kill();
  site.close();
}
