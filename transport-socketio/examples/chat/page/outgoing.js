// Files to everybody in the room, one after the other.

import { Bar } from "./bar.js";
import { $ } from "./dom.js";
import * as log from "./log.js";
import { FILE, offer, smallFile } from "./message.js";
import { bytes, list } from "./text.js";
import { inWords } from "./words.js";

/** Clients of the original library get a file as one event, up to this size. */
const MAX_EVENT = 500_000;

export class Outgoing {
  #peer;
  #people;
  /** Settled when all files before are sent: a session has a maximum of transfers at a time. */
  #sent = Promise.resolve();

  constructor(peer, people) {
    this.#peer = peer;
    this.#people = people;
    $("attach").onclick = () => $("files").click();
    $("files").onchange = () => {
      this.#sendAll($("files").files);
      $("files").value = "";
    };
    document.ondragover = (drag) => drag.preventDefault();
    document.ondrop = (drop) => {
      drop.preventDefault();
      this.#sendAll(drop.dataTransfer.files);
    };
  }

  stop() {
    document.ondragover = document.ondrop = null;
  }

  #sendAll(files) {
    for (const file of files) this.#sent = this.#sent.then(() => this.#send(file));
  }

  async #send(file) {
    const members = this.#peer.peers;
    if (members.length === 0) {
      log.note(`${file.name} is not sent: nobody else is here.`);
      return;
    }
    const abort = new AbortController();
    const bar = new Bar(file.name, file.size, () => abort.abort());
    log.show(null, "You", bar.body);
    const progress = new Map(members.map(({ id }) => [id, 0]));
    // The bar shows what all have: it is full when the last one has the file.
    const note = (id, read) => bar.set(Math.min(...progress.set(id, read).values()));
    const outcomes = members.map(async (member) => {
      const outcome = await this.#sendTo(member, file, abort.signal, (read) => note(member.id, read));
      note(member.id, file.size);
      return { name: this.#people.name(member), outcome };
    });
    bar.end(...account(await Promise.all(outcomes)));
  }

  /** @returns `delivered`, or why not. */
  async #sendTo(member, file, signal, onprogress) {
    const to = this.#peer.to(member);
    try {
      if (member.original) {
        if (file.size > MAX_EVENT) return `takes ${bytes(MAX_EVENT)} at most`;
        await to.emit(FILE, smallFile(file.name, await file.arrayBuffer()));
        return "delivered";
      }
      const transfer = await to.openTransfer(FILE, offer(file.name), { size: file.size });
      transfer.onprogress = onprogress;
      signal.addEventListener("abort", () => transfer.cancel());
      if (signal.aborted) transfer.cancel();
      // Why it ended before the end of the file is in its outcome, except that the file itself cannot be read.
      const unread = await file.stream().pipeTo(transfer.writable).then(() => null, (error) => error);
      const outcome = await transfer.done;
      return outcome === "aborted" && !signal.aborted ? inWords(unread) : outcome;
    } catch (error) {
      return inWords(error);
    }
  }
}

/** Who has the file and who has not, in words, and whether somebody has not. */
function account(outcomes) {
  const delivered = outcomes.filter(({ outcome }) => outcome === "delivered");
  const others = outcomes.filter(({ outcome }) => outcome !== "delivered");
  const sentences = others.map(({ name, outcome }) => `${name}: ${OUTCOMES[outcome] ?? outcome}`);
  if (delivered.length > 0) sentences.unshift(`Received by ${list(delivered.map(({ name }) => name))}`);
  return [sentences.join(". "), others.length > 0];
}

const OUTCOMES = { refused: "refused", aborted: "cancelled", lost: "the connection ended" };
