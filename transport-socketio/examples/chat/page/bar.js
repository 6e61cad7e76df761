// A file on its way: its name, its progress, and what became of it.

import { $, element, setText } from "./dom.js";
import { bytes } from "./text.js";

export class Bar {
  #size;
  #progress;
  #percent;
  #running;
  #url;

  constructor(name, size, cancel) {
    this.name = name;
    this.#size = size;
    // Without a size, it only shows that something is going on.
    this.#progress = element("progress", { "aria-label": `Progress of ${name}` });
    if (size !== null) [this.#progress.max, this.#progress.value] = [Math.max(size, 1), 0];
    // For the eye: a screen reader has the bar, and would read each number in the log.
    this.#percent = element("span", { className: "percent", "aria-hidden": "true" });
    this.#running = element("div", { className: "running" }, this.#progress, this.#percent);
    if (cancel) {
      const label = { className: "small", "aria-label": `Cancel ${name}` };
      this.#running.append(element("button", { ...label, onclick: cancel }, "Cancel"));
    }
    const about = size === null ? "" : bytes(size);
    this.body = element(
      "div",
      { className: "file" },
      element("p", { className: "about" }, element("span", { className: "text" }, name), " ", element("small", {}, about)),
      this.#running,
    );
  }

  /** So many bytes have arrived. */
  set(read) {
    if (this.#size === null) {
      setText(this.#percent, bytes(read));
      return;
    }
    this.#progress.value = read;
    setText(this.#percent, `${Math.floor((100 * read) / Math.max(this.#size, 1))} %`);
  }

  /** It is here: it can be saved. */
  offer(blob) {
    this.#url = URL.createObjectURL(blob);
    const text = `Save ${this.name}`;
    const link = element("a", { href: this.#url, download: this.name }, text);
    this.#replace(element("p", {}, link, " ", element("small", {}, bytes(blob.size))));
    this.body.querySelector(".about").remove();
  }

  /** It has ended otherwise. */
  end(text, isTrouble) {
    this.#replace(element("p", { className: isTrouble ? "state trouble" : "state" }, text));
  }

  forget() {
    if (this.#url) URL.revokeObjectURL(this.#url);
  }

  #replace(state) {
    if (this.#running.contains(document.activeElement)) $("log").focus();
    this.#running.replaceWith(state);
  }
}
