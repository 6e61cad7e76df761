// Headless Chromium.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--remote-debugging-port=0",
  "--js-flags=--expose-gc",
  // Paths that lead over loopback: a machine may have no other network.
  "--allow-loopback-in-peer-connection",
];

/** Several pages at once, none of which is slowed down because another is in front of it. */
const allInFront = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/** A hidden page's timers run once per minute at once, instead of after 5 minutes. */
const throttled = "IntensiveWakeUpThrottling:grace_period_seconds/0";

function find() {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      // The next one.
    }
  }
  throw new Error("expected Chromium, found none; on Debian: apt-get install chromium");
}

/** @param hides whether a page behind another is hidden and slowed down, as it is for a user. */
export async function launch({ hides = false } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "socketio-p2p-"));
  const features = hides ? [`--enable-features=${throttled}`] : allInFront;
  const browser = await puppeteer.launch({
    executablePath: find(),
    // Puppeteer's own let no page be hidden.
    ignoreDefaultArgs: true,
    args: [
      ...flags,
      ...features,
      "--disable-features=WebRtcHideLocalIpsWithMdns",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    protocolTimeout: 120_000,
  });
  const process = browser.process();
  const remove = () => rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  return {
    browser,
    async close() {
      const ended = new Promise((resolve) => process.once("close", resolve));
      await browser.close();
      await ended;
      remove();
    },
  };
}
