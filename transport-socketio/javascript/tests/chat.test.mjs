// The page of the example `chat`, as people use it: tabs and terminals in one room.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { launch } from "./support/browser.mjs";
import { ChatServer, Person, Terminal } from "./support/chat.mjs";
import { until } from "./support/until.mjs";

/** Says that the picture for the README is to be taken anew. */
const takesPicture = process.env.SOCKETIO_P2P_CHAT_PICTURE;
const picture = fileURLToPath(new URL("../../examples/chat/page/screenshot.png", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "socketio-p2p-chat-"));
let chromium;
let server;
let room = 0;
let people = [];
let terminals = [];

before(async () => {
  [chromium, server] = await Promise.all([launch(), ChatServer.start()]);
});

beforeEach(() => {
  room += 1;
});

after(async () => {
  await chromium?.close();
  await server?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** A test after which everybody leaves, and no page may have complained. */
function story(name, tell) {
  test(name, { timeout: 60_000 }, async () => {
    try {
      await tell();
      for (const { errors } of people) assert.deepEqual(errors, []);
    } finally {
      await Promise.all(people.map(({ page }) => page.close()));
      await Promise.all(terminals.map(({ program }) => program.kill()));
      [people, terminals] = [[], []];
    }
  });
}

const url = () => `${server.url}/?room=r${room}`;

async function open(options) {
  const person = await Person.open(chromium.browser, url(), options);
  people.push(person);
  return person;
}

async function enter(name, options) {
  const person = await open(options);
  await person.enter(name);
  return person;
}

async function terminal(name, args = []) {
  const joined = await Terminal.join(server.url, name, ["--room", `r${room}`, "--downloads", folder, ...args]);
  terminals.push(joined);
  return joined;
}

/** A file of random bytes. */
function file(name, size) {
  const path = join(folder, name);
  writeFileSync(path, randomBytes(size));
  return path;
}

async function save(person, name) {
  const session = await person.page.createCDPSession();
  const downloads = mkdtempSync(join(folder, "saved-"));
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads, eventsEnabled: true });
  const completed = new Promise((done) => {
    session.on("Browser.downloadProgress", ({ state }) => state === "completed" && done());
  });
  await person.click(`a[download="${name}"]`);
  await completed;
  return readFileSync(join(downloads, name));
}

story("two tabs talk through the server, go private and talk directly", async () => {
  const [ann, ben] = [await enter("Ann"), await enter("Ben")];
  await ann.sees("#people li", "Ben");
  await ben.sees("#people li", "Ann");
  await ann.sees("#log", "Ben is in the room.");
  await ann.say("Hello Ben");
  await ben.sees("article.theirs", "Hello Ben");
  assert.match((await ben.read("article.theirs .head"))[0], /^Ann /);
  await ben.sees('[data-path="server"] .way', "server");
  await ben.click("li .why summary");
  await ben.sees(".why p", "The direct path is ready. Events take it when you go private.");

  await ben.click("#go-private");
  await ann.sees("#log", "Ben asks to go private");
  for (const one of [ann, ben]) {
    await one.sees('[data-path="direct"] .way', "direct");
    await one.sees('[data-path="direct"] .time', "ms");
    await one.sees("#people-count", "1 other person, direct");
  }
  await ann.say("Now only you");
  await ben.sees("article.theirs", "Now only you");

  // Also those who come later.
  const cleo = await enter("Cleo");
  for (const one of [ann, ben, cleo]) await one.sees("#people-count", "2 other people, direct");
  await cleo.click("#leave");
  await cleo.sees("#enter", "Join");
  await ann.sees("#log", "Cleo has left the room.");
});

story("what others send is text, of limited length and without characters that mislead", async () => {
  const [ann, ben] = [await enter("<b>Ann"), await enter("Ben")];
  await ann.sees("#people li", "Ben");
  const mean = `<img src=x onerror=alert(1)> \u202eabc ${"x".repeat(5000)}`;
  await ann.page.$eval("#text", (field, text) => (field.value = text), mean);
  await ann.page.focus("#text");
  await ann.press("Enter");
  await ben.sees("article.theirs", "<img src=x onerror=alert(1)> abc");
  assert.equal((await ben.read("article.theirs .text"))[0].length, 4001);
  assert.match((await ben.read("#people b"))[0], /^<b>Ann$/);
  assert.equal(await ben.page.$("#room img, #room b b"), null);
});

story("a file goes to everybody, with its progress on both sides, and is the same when it is saved", async () => {
  const [ann, ben] = [await enter("Ann"), await enter("Ben")];
  await ann.sees("#people li", "Ben");
  const path = file("film.mp4", 30e6);
  for (const { page } of [ann, ben]) {
    await page.evaluate(() => {
      window.seen = new Set();
      const look = () => {
        const bar = document.querySelector("progress");
        if (bar) window.seen.add(bar.value / bar.max);
        setTimeout(look, 5);
      };
      look();
    });
  }
  await (await ann.page.$("#files")).uploadFile(path);
  await ann.sees("article.mine .state", "Received by Ben");
  await ben.sees("article.theirs a", "Save film.mp4");
  for (const { page } of [ann, ben]) {
    const seen = await page.evaluate(() => [...window.seen]);
    const between = seen.filter((part) => part > 0 && part < 1);
    assert.ok(between.length >= 3, `${seen}`);
    assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
  }
  assert.ok((await save(ben, "film.mp4")).equals(readFileSync(path)), "the saved file differs");
});

story("a transfer is cancelled by its sender, and a large one is received after a question only", async () => {
  const [ann, ben] = [await enter("Ann"), await enter("Ben")];
  await ann.sees("#people li", "Ben");
  const input = await ann.page.$("#files");
  await input.uploadFile(file("big.bin", 300e6));
  await ben.sees("article.theirs", "Wants to send big.bin, 300 MB.");
  await ann.click('[aria-label="Cancel big.bin"]');
  await ann.sees("article.mine .state", "Ben: cancelled");
  await input.uploadFile(file("big.bin", 300e6));
  await until("a second question", async () => (await ben.page.$$('[aria-label="Refuse big.bin"]')).length === 2);
  await ben.click('article:last-child [aria-label="Refuse big.bin"]');
  await ann.sees("article.mine .state", "Ben: refused");
});

story("a terminal talks with tabs, goes private with them, and sends and gets files", async () => {
  const ann = await enter("Ann");
  const tom = await terminal("Tom");
  await ann.sees("#people li", "Tom");
  await tom.line("Ann is in the room");
  await ann.say("Hello terminal");
  await tom.line("Hello terminal");
  tom.write("Hello page");
  await ann.sees("article.theirs", "Hello page");
  tom.write("/private");
  await ann.sees("#log", "Tom asks to go private");
  await ann.sees('[data-path="direct"]', "Tom");
  await tom.line("you send to Ann directly");

  const sent = file("from-terminal.bin", 2e6);
  tom.write(`/file ${sent}`);
  await tom.line("Ann has received from-terminal.bin");
  assert.ok((await save(ann, "from-terminal.bin")).equals(readFileSync(sent)));
  const back = mkdtempSync(join(folder, "page-"));
  writeFileSync(join(back, "from-page.bin"), randomBytes(3e6));
  await (await ann.page.$("#files")).uploadFile(join(back, "from-page.bin"));
  await ann.sees("article.mine .state", "Received by Tom");
  await tom.line("saved as");
  assert.ok(readFileSync(join(folder, "from-page.bin")).equals(readFileSync(join(back, "from-page.bin"))));
  await tom.quit();
  await ann.sees("#log", "Tom has left the room.");
});

story("a page that is loaded anew is in its room again, under its name", async () => {
  const [ann, ben] = [await enter("Ann"), await enter("Ben")];
  await ann.sees("#people li", "Ben");
  await ann.click("#go-private");
  await ben.sees("#people-count", "1 other person, direct");
  await ben.page.reload();
  await ben.sees("#log", "You are in the room");
  for (const one of [ann, ben]) await one.sees("#people-count", "1 other person, direct");
  await ben.say("I am Ben");
  await ann.sees("article.theirs", "I am Ben");
  assert.match((await ann.read("article.theirs .head"))[0], /^Ben /);
});

story("the loss of the server is said with the time of the next attempt, and direct paths go on", async () => {
  const own = await ChatServer.start();
  const [ann, ben] = [await Person.open(chromium.browser, own.url), await Person.open(chromium.browser, own.url)];
  await ann.enter("Ann");
  await ben.enter("Ben");
  await ann.sees("#people li", "Ben");
  await ann.click("#go-private");
  for (const one of [ann, ben]) await one.sees("#people-count", "1 other person, direct");
  await own.kill();
  await ann.sees("#connection-state", "No connection to the server.");
  await until("a countdown", async () => /^Again in \d+ s$/.test((await ann.read("#connection-next"))[0]));
  await ann.say("Still here");
  await ben.sees("article.theirs", "Still here");
  const again = await ChatServer.start(own.port);
  await ann.click("#connection-retry");
  await ann.sees("#connection-state", "Connected again");
  await ben.sees("#connection-state", "Connected again");
  await ben.say("Back");
  await ann.sees("article.theirs", "Back");
  await ann.page.close();
  await ben.page.close();
  await again.kill();
});

story("the keyboard is enough, and shows where it is", async () => {
  const ann = await open();
  await ann.sees("#name", "", { focused: true });
  await ann.press("Enter");
  await ann.sees("#name-problem", "Enter a name");
  assert.equal(await ann.page.$eval("#name", (name) => name.getAttribute("aria-invalid")), "true");
  const walked = async () => {
    await ann.press("Tab");
    return ann.page.evaluate(() => {
      const { id, localName, ariaLabel } = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { at: id || ariaLabel || localName, outline: `${outlineStyle} ${outlineWidth}` };
    });
  };
  await ann.type("Ann");
  assert.equal((await walked()).at, "wanted-room");
  assert.equal((await walked()).at, "enter");
  await ann.press("Enter");
  await ann.sees("#text", "", { focused: true });
  await ann.type("Alone");
  await ann.press("Enter");
  await ann.sees("#log", "Nobody else is here to read it.");

  const places = [];
  for (let steps = 0; steps < 14; steps += 1) {
    const { at, outline } = await walked();
    places.push(at);
    if (at !== "body") assert.equal(outline, "solid 3px", at);
  }
  for (const id of ["share", "leave", "summary", "go-private", "log", "attach", "text"]) {
    assert.ok(places.includes(id), `${id} is not in ${places}`);
  }
  await ann.page.focus("#leave");
  await ann.press("Enter");
  await ann.sees("#enter", "Join", { focused: true });
});

story("a phone of 360 pixels shows all without scrolling to the side", async () => {
  const ann = await open({ width: 360, height: 740 });
  const width = () =>
    ann.page.evaluate(() =>
      Math.max(...["html", "#log", "aside"].map((part) => {
        const { scrollWidth, clientWidth } = document.querySelector(part);
        return scrollWidth - clientWidth;
      })),
    );
  assert.equal(await width(), 0);
  await ann.enter("Ann");
  assert.equal(await width(), 0);
  const ben = await enter("B".repeat(24));
  await ann.sees("#people li", "BBB");
  await ben.say(`A long word: ${"x".repeat(200)}`);
  await ann.sees("article.theirs", "A long word");
  await (await ben.page.$("#files")).uploadFile(file(`${"long".repeat(30)}.txt`, 1000));
  await ann.sees("article.theirs a", "Save long");
  assert.equal(await width(), 0);
});

for (const dark of [false, true]) {
  story(`no barrier is found in ${dark ? "dark" : "light"} colours`, async () => {
    const ann = await open({ dark });
    await check(ann);
    await ann.enter("Ann");
    await check(ann);
    const ben = await enter("Ben", { dark, width: 360, height: 740 });
    await ann.sees("#people li", "Ben");
    await ann.say("Hello");
    await ben.say("Hello to you");
    await (await ben.page.$("#files")).uploadFile(file("big.bin", 300e6));
    await ann.sees("article.theirs", "Wants to send big.bin");
    await ann.click("#go-private");
    await ann.sees("#people-count", "direct");
    await check(ann);
    await check(ben);
  });
}

/** Shows at once what is appearing, half-transparent until then: headless Chromium draws no frames of some tabs. */
const settle = (page) => page.evaluate(() => document.getAnimations().forEach((animation) => animation.finish()));

async function check({ page }) {
  await settle(page);
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { violations } = await window.axe.run({ resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
  assert.deepEqual(violations, []);
}

story("the picture for the README", async () => {
  if (!takesPicture) return;
  const [ann, ben] = [await enter("Ann", { width: 1000, height: 620 }), await enter("Ben")];
  const tom = await terminal("Tom");
  await ann.sees("#people-count", "2 other people");
  tom.write("Hello from a terminal");
  await ann.sees("#log", "Hello from a terminal");
  await ann.say("Then let us go private");
  await ben.sees("#log", "Then let us go private");
  await ann.click("#go-private");
  await ann.sees("#people-count", "2 other people, direct");
  await (await ben.page.$("#files")).uploadFile(file("photos.zip", 5e6));
  await ann.sees("article.theirs a", "Save photos.zip");
  await settle(ann.page);
  await ann.page.screenshot({ path: picture });
});
