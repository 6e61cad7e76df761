// A tab with a page.

import { until } from "./until.mjs";

export class Tab {
  static async open(browser, url) {
    const tab = new Tab(await browser.newPage());
    await tab.load(url);
    return tab;
  }

  constructor(page) {
    this.page = page;
    /** What no one caught, and what the page wrote to its console as an error. */
    this.errors = [];
    this.console = [];
    page.on("pageerror", (error) => this.errors.push(String(error?.stack ?? error)));
    page.on("console", (message) => this.console.push(`${message.type()}: ${message.text()}`));
  }

  async load(url) {
    await this.page.goto(url);
    await this.isLoaded();
  }

  async reload() {
    await this.page.reload();
    await this.isLoaded();
  }

  isLoaded() {
    return until(() => `the page's program\n${this.said()}`, () => this.evaluate(() => window.loaded));
  }

  /** Calls a function in the page. */
  evaluate(fn, ...args) {
    return this.page.evaluate(fn, ...args);
  }

  /** Waits until a function in the page returns something truthy. Timers of the page are not needed for that. */
  until(what, fn, ...args) {
    return until(async () => `${what}\n${await this.story()}`, () => this.evaluate(fn, ...args));
  }

  /** Joins a room; the page has the session as `me`. */
  async join(url, options) {
    this.id = await this.evaluate((url, options) => join(url, options), url, options);
    return this.id;
  }

  /** Waits until the paths to these members, or to that many, are direct. */
  direct(members) {
    const ids = typeof members === "number" ? null : members.map((member) => member.id);
    return this.until(
      `direct paths to ${ids ?? members}`,
      (ids, count) => {
        const direct = me.peers.filter((peer) => peer.path === "direct").map((peer) => peer.id);
        return ids ? ids.every((id) => direct.includes(id)) : direct.length === count;
      },
      ids,
      ids ? 0 : members,
    );
  }

  said() {
    return [...this.errors, ...this.console].join("\n");
  }

  /** What a person needs to know about a failed test. */
  async story() {
    const story = await this.evaluate(() => {
      const short = (value) => (JSON.stringify(value) ?? String(value)).slice(0, 300);
      const peers = window.me?.peers.map(short) ?? [];
      return [...peers, ...happened.slice(-30).map(({ name, args }) => `${name} ${short(args)}`)];
    }).catch(String);
    return [...story, this.said()].flat().join("\n");
  }

  async close() {
    if (!this.page.isClosed()) await this.page.close();
  }
}
