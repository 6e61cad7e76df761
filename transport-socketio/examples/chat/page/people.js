// Who is here, and how events reach them.

import { $, colour, element, setText } from "./dom.js";
import { cleanName, count } from "./text.js";
import { whyNotDirect } from "./words.js";

/** How many characters of its id stand for the name of a member that has said none. */
const SHORT = 8;

export class People {
  #peer;
  #names = new Map();
  #rows = new Map();
  #timer;

  constructor(peer) {
    this.#peer = peer;
    $("people").replaceChildren();
    // Round trips change without an event.
    this.#timer = setInterval(() => this.draw(), 2000);
    this.draw();
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** Takes down a name. @returns whether the member had none before. */
  call(member, name) {
    const isNew = !this.#names.has(member.id);
    this.#names.set(member.id, name);
    this.draw();
    return isNew;
  }

  forget(member) {
    this.#names.delete(member.id);
    this.draw();
  }

  name(member) {
    return this.#names.get(member.id) ?? cleanName(member.data?.name) ?? member.id.slice(0, SHORT);
  }

  nameOf(id) {
    const member = this.#peer.peer(id);
    return member ? this.name(member) : this.#names.get(id) ?? id.slice(0, SHORT);
  }

  /** Brings the list up to date. Rows stay the same elements, so that the focus stays where it is. */
  draw() {
    const members = this.#peer.peers;
    const direct = members.filter(({ path }) => path === "direct").length;
    setText($("people-count"), summary(members.length, direct));
    $("alone").hidden = members.length > 0;
    setText($("private-hint"), this.#privacy(members.length, direct));
    const rows = new Map();
    for (const member of members) {
      const row = this.#rows.get(member.id) ?? new Row(member);
      row.draw(member, this.name(member), this.#way(member));
      rows.set(member.id, row);
    }
    for (const [id, row] of this.#rows) if (!rows.has(id)) row.item.remove();
    for (const row of rows.values()) if (!row.item.isConnected) $("people").append(row.item);
    this.#rows = rows;
  }

  #privacy(members, direct) {
    if (this.#peer.policy === "manual") return "Asks everybody to send directly from now on, not through the server.";
    if (direct < members) return "You send directly wherever a direct path works.";
    return "You send directly to everybody, not through the server.";
  }

  #way(member) {
    switch (member.path) {
      case "direct":
        return "direct";
      case "server":
        return "server";
      case "via":
        return `through ${this.nameOf(member.via)}`;
      default:
        return "away";
    }
  }
}

function summary(members, direct) {
  if (members === 0) return "Nobody else is here";
  const others = count(members, "other person", "other people");
  if (direct === 0) return others;
  return direct === members ? `${others}, direct` : `${others}, ${direct} direct`;
}

/** One member in the list. */
class Row {
  constructor(member) {
    this.name = element("b", { className: colour(member.id) });
    this.way = element("span", { className: "way" });
    this.time = element("span", { className: "time" });
    this.reason = element("p");
    this.why = element("details", { className: "why" }, element("summary", {}, "Why not direct?"), this.reason);
    this.item = element("li", {}, this.name, " ", this.way, " ", this.time, this.why);
  }

  draw(member, name, way) {
    this.item.dataset.path = member.path ?? "away";
    setText(this.name, name);
    setText(this.way, way);
    setText(this.time, member.roundTrip === null ? "" : roundTrip(member.roundTrip));
    this.time.title = "Time to this person and back";
    this.why.hidden = member.path === "direct";
    setText(this.reason, member.original ? "This person uses the original library." : whyNotDirect(member));
  }
}

function roundTrip(ms) {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
