// In the room: what the others do becomes lines, what is entered becomes events.

import { Connection } from "./connection.js";
import { $, setText } from "./dom.js";
import { Incoming } from "./incoming.js";
import { inviteTo } from "./invitation.js";
import * as log from "./log.js";
import { rememberStay } from "./memory.js";
import { FILE, HELLO, PRIVATE, TEXT, hello, readHello, readText, text } from "./message.js";
import { Outgoing } from "./outgoing.js";
import { People } from "./people.js";
import { inWords, leaving } from "./words.js";

/** Stays until the user leaves. */
export async function stay(peer, { name, room, isPrivate = false }) {
  const people = new People(peer);
  const connection = new Connection(peer);
  const outgoing = new Outgoing(peer, people);
  setText($("room-name"), room);
  $("room").hidden = false;
  inviteTo(room);
  log.note(`You are in the room ${room}.`);
  $("text").focus();
  const chat = new Chat(peer, name, room, people);
  chat.listen();
  if (isPrivate) chat.goPrivate();
  await chat.obey();
  outgoing.stop();
  connection.stop();
  people.stop();
  peer.off();
  log.note("Leaving …");
  await peer.close();
  log.clear();
  $("room").hidden = true;
}

class Chat {
  #peer;
  #name;
  #room;
  #people;
  #incoming = new Incoming();
  #isPrivate = false;
  #greeted = new Set();

  constructor(peer, name, room, people) {
    this.#peer = peer;
    this.#name = name;
    this.#room = room;
    this.#people = people;
  }

  // ----- what the others do -----

  listen() {
    this.#press(false);
    const [peer, people] = [this.#peer, this.#people];
    peer.on("peer", (member) => this.#greet(member));
    peer.on("peer-left", (member, reason) => {
      log.note(`${people.name(member)} ${leaving(reason)}.`);
      people.forget(member);
      this.#greeted.delete(member.id);
    });
    peer.on("peer-changed", (member, what) => {
      people.draw();
      const name = people.name(member);
      if (what === "path" && member.path) log.note(`You send to ${name} ${this.#way(member)} from now on.`);
      if (what === "away") log.note(`${name} is away: no path leads there. Messages wait.`);
      if (what === "back") log.note(`${name} is back.`);
    });
    peer.on("peer-error", (member, error) => log.trouble(`${people.name(member)}: ${inWords(error)}.`));
    peer.on("error", (error) => log.trouble(`${inWords(error)}.`));

    peer.on(HELLO, (arg, from) => {
      const name = readHello(arg);
      if (name && people.call(from, name)) log.note(`${name} is in the room.`);
    });
    peer.on(TEXT, (arg, from) => {
      const message = readText(arg);
      if (message?.name) people.call(from, message.name);
      if (message) log.say(from, people.name(from), message.text);
    });
    peer.on(PRIVATE, (_, from) => {
      if (this.#isPrivate) return;
      log.note(`${people.name(from)} asks to go private: you send directly from now on.`);
      this.goPrivate();
    });
    peer.on(FILE, (arg, from) => this.#incoming.take(arg, from, people.name(from)));
    peer.on("transfer", (transfer, from) => this.#incoming.receive(transfer, from, people.name(from)));
    for (const member of peer.peers) this.#greet(member);
  }

  /** Introduces this member to one who has come, who also learns that the room is private. */
  #greet(member) {
    this.#people.draw();
    if (this.#greeted.has(member.id)) return;
    this.#greeted.add(member.id);
    const to = this.#peer.to(member);
    const greetings = [to.emit(HELLO, hello(this.#name))];
    if (this.#isPrivate) greetings.push(to.emit(PRIVATE, true));
    // Whoever is gone again needs no greeting.
    Promise.all(greetings).catch(() => {});
  }

  #way(member) {
    if (member.path === "direct") return "directly";
    return member.path === "via" ? `through ${this.#people.nameOf(member.via)}` : "through the server";
  }

  /** Sends directly from now on, also to those who come later. */
  goPrivate() {
    this.#isPrivate = true;
    this.#peer.policy = "automatic";
    this.#peer.upgrade();
    this.#press(true);
    this.#people.draw();
    rememberStay({ room: this.#room, isPrivate: true });
  }

  #press(isPrivate) {
    $("go-private").setAttribute("aria-pressed", String(isPrivate));
  }

  // ----- what the user does -----

  /** Does what the user wants, until that is to leave. */
  obey() {
    $("go-private").onclick = async () => {
      await this.#send(PRIVATE, true);
      log.note("You ask all others to go private, and send directly from now on.");
      this.goPrivate();
    };
    $("compose").onsubmit = (submit) => {
      submit.preventDefault();
      this.#say();
    };
    return new Promise((left) => {
      $("leave").onclick = left;
    });
  }

  async #say() {
    const said = $("text").value.trim();
    if (!said) return;
    $("text").value = "";
    log.say(null, "You", said);
    if (this.#peer.peers.length === 0) log.note("Nobody else is here to read it.");
    else await this.#send(TEXT, text(this.#name, said));
  }

  async #send(event, arg) {
    try {
      for (const { peer, error } of await this.#peer.emit(event, arg)) {
        log.trouble(`Not sent to ${this.#people.nameOf(peer)}: ${inWords(error)}.`);
      }
    } catch (error) {
      log.trouble(`Not sent: ${inWords(error)}.`);
    }
  }
}
