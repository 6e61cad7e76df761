// What the tests of a file share, a browser, a server and the site, and what each has for itself: members in a room.

import assert from "node:assert/strict";
import { after } from "node:test";
import { launch } from "./browser.mjs";
import { Native } from "./native.mjs";
import { Signaling } from "./signaling.mjs";
import { serveSite } from "./site.mjs";
import { Tab } from "./tab.mjs";

/** Starts what the tests of this file share. */
export function stage(options = {}) {
  const shared = {};
  const once = (name, start) => (shared[name] ??= start());
  after(async () => {
    await (await shared.chromium)?.close();
    await (await shared.signaling)?.kill();
    (await shared.site)?.close();
  });
  let rooms = 0;
  return async (test) => {
    const [chromium, signaling, site] = await Promise.all([
      once("chromium", () => launch(options)),
      once("signaling", () => Signaling.start()),
      once("site", () => serveSite()),
    ]);
    rooms += 1;
    return new Scene(test, chromium.browser, signaling.url, site.url, `room ${rooms}`);
  };
}

class Scene {
  constructor(test, browser, url, site, room) {
    Object.assign(this, { browser, url, site, room, tabs: [], natives: [] });
    test.after(() => this.end());
  }

  /** Opens a page with the package. */
  async tab(path = "/member.html") {
    const tab = await Tab.open(this.browser, this.site + path);
    this.tabs.push(tab);
    return tab;
  }

  /** Opens a page that is a member. */
  async member(options = {}) {
    const tab = await this.tab();
    await tab.join(this.url, { room: this.room, ...options });
    return tab;
  }

  /** Opens pages that are members, and know each other. */
  async members(count, options) {
    const members = await Promise.all(Array.from({ length: count }, () => this.member(options)));
    const know = (others) => me.peers.length === others;
    await Promise.all(members.map((member) => member.until("the other members", know, count - 1)));
    return members;
  }

  async native(...args) {
    const native = await Native.join(this.url, { room: this.room, args });
    this.natives.push(native);
    return native;
  }

  async end() {
    const errors = this.tabs.flatMap((tab) => tab.errors);
    await Promise.all([...this.tabs.map((tab) => tab.close()), ...this.natives.map((native) => native.kill())]);
    assert.deepEqual(errors, [], "a page has an uncaught error");
  }
}
