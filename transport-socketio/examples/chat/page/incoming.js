// Files from the others: small ones at once, large ones after a question.

import { Bar } from "./bar.js";
import { collect } from "./collect.js";
import { $, element } from "./dom.js";
import * as log from "./log.js";
import { FILE, readFile, readOffer } from "./message.js";
import { bytes } from "./text.js";
import { inWords } from "./words.js";

/** How many bytes are received without a question: the browser keeps them as long as the page is open. */
const UNASKED = 256e6;

export class Incoming {
  #left = UNASKED;

  /** A file in one event, as clients of the original library send it. */
  take(arg, from, sender) {
    const file = readFile(arg);
    if (!file) return;
    const blob = new Blob(file.parts, { type: "application/octet-stream" });
    const bar = new Bar(file.name, blob.size);
    bar.offer(blob);
    log.show(from, sender, bar.body, () => bar.forget());
  }

  receive(transfer, from, sender) {
    if (transfer.event !== FILE) {
      transfer.refuse();
      return;
    }
    const incoming = new Offered(transfer);
    const asks = transfer.size === null || transfer.size > this.#left;
    if (!asks) this.#left -= transfer.size;
    log.show(from, sender, asks ? incoming.question() : incoming.accept(), () => incoming.forget());
  }
}

/** A file that somebody offers. */
class Offered {
  #transfer;
  #name;
  #bar;
  #abort = new AbortController();

  constructor(transfer) {
    this.#transfer = transfer;
    this.#name = readOffer(transfer.arg);
  }

  question() {
    const { size } = this.#transfer;
    const text = `Wants to send ${this.#name}, ${size === null ? "of unknown size" : bytes(size)}.`;
    const answers = element("div", { className: "actions" });
    const question = element("div", { className: "file" }, element("p", {}, text), answers);
    const answer = (word, act) => {
      const onclick = () => {
        $("log").focus();
        question.replaceWith(act());
      };
      answers.append(element("button", { className: "small", onclick, "aria-label": `${word} ${this.#name}` }, word));
    };
    answer("Receive", () => this.accept());
    answer("Refuse", () => this.#refuse());
    return question;
  }

  /** @returns its bar. */
  accept() {
    const { signal } = this.#abort;
    this.#bar = new Bar(this.#name, this.#transfer.size, () => this.#abort.abort());
    collect(this.#transfer.accept(), signal, (read) => this.#bar.set(read)).then(
      (blob) => this.#bar.offer(blob),
      (error) => this.#bar.end(signal.aborted ? "Cancelled" : `Not received. ${inWords(error)}`, true),
    );
    return this.#bar.body;
  }

  #refuse() {
    this.#transfer.refuse();
    return element("p", { className: "state" }, `${this.#name}: refused`);
  }

  /** Its entry is gone, and with it the way to save it. */
  forget() {
    if (!this.#bar) this.#transfer.refuse();
    this.#abort.abort();
    this.#bar?.forget();
  }
}
