// The example `chat`: its server, people in terminals, and people in tabs.

import { Program } from "./program.mjs";
import { soon, until } from "./until.mjs";

export class ChatServer {
  /** Starts a server; `port`: that of one that has ended. */
  static async start(port = 0) {
    const server = new ChatServer();
    const url = new Promise((heard) => {
      server.program = new Program("chat", ["serve", "--port", String(port)], (line) => {
        const found = /^listening on (http:\S+)$/.exec(line);
        if (found) heard(found[1]);
      });
    });
    server.url = await soon("the server's address", url);
    server.port = Number(new URL(server.url).port);
    return server;
  }

  kill() {
    return this.program.kill();
  }
}

/** Somebody in a terminal. */
export class Terminal {
  lines = [];

  static async join(url, name, args = []) {
    const terminal = new Terminal();
    const command = ["join", url, "--name", name, ...args];
    terminal.program = new Program("chat", command, (line) => terminal.lines.push(line));
    await terminal.line("you are in the room");
    return terminal;
  }

  write(line) {
    this.program.write(line);
  }

  /** Waits for a line that contains this text. */
  line(text) {
    return until(
      () => `${JSON.stringify(text)} in a terminal\n${this.lines.join("\n")}`,
      () => this.lines.find((line) => line.includes(text)),
    );
  }

  async quit() {
    this.write("/quit");
    const { code } = await soon("the end of a terminal", this.program.ended);
    if (code !== 0) throw new Error(`chat ended with ${code}: ${this.program.complaints}`);
  }
}

/** Somebody in a tab, who sees what is on the page and has a keyboard. */
export class Person {
  errors = [];

  static async open(browser, url, { width = 1200, height = 800, dark = false } = {}) {
    const person = new Person();
    person.page = await browser.newPage();
    person.page.on("pageerror", (error) => person.errors.push(String(error?.stack ?? error)));
    // What the policy of the page forbids is written there.
    person.page.on("console", (message) => {
      if (message.type() === "error") person.errors.push(`${message.text()} ${message.location().url ?? ""}`);
    });
    await person.page.setViewport({ width, height });
    await person.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    await person.page.goto(url);
    return person;
  }

  /** Enters a name at the entrance. */
  async enter(name) {
    await this.sees("#name", "", { focused: true });
    await this.type(name);
    await this.press("Enter");
    await this.sees("#log", "You are in the room");
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  press(...keys) {
    return keys.reduce((before, key) => before.then(() => this.page.keyboard.press(key)), Promise.resolve());
  }

  /** Goes to the tab, since nothing can be clicked in one that is not in front, and clicks. */
  async click(selector) {
    await this.page.bringToFront();
    await this.page.click(selector);
  }

  async say(text) {
    await this.page.focus("#text");
    await this.type(text);
    await this.press("Enter");
  }

  /** Waits until an element that is shown has this in its text. */
  sees(selector, text, { focused = false } = {}) {
    return until(
      async () => `${selector} with ${JSON.stringify(text)}\n${await this.story()}`,
      () => this.page.evaluate(
        (selector, text, focused) =>
          [...document.querySelectorAll(selector)].some(
            (element) =>
              element.checkVisibility() &&
              element.textContent.includes(text) &&
              (!focused || element === document.activeElement),
          ),
        selector,
        text,
        focused,
      ),
    );
  }

  read(selector) {
    return this.page.$$eval(selector, (elements) => elements.map((element) => element.textContent));
  }

  async story() {
    const text = await this.page.evaluate(() => document.body.innerText).catch(String);
    return [text, ...this.errors].join("\n");
  }
}
