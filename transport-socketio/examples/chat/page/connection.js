// The connection to the server: whether it is there, and when it is tried again.

import { $, setText } from "./dom.js";
import { inWords } from "./words.js";

export class Connection {
  #timer;

  constructor(peer) {
    this.#up("Connected");
    peer.on("connect", ({ resumed }) => this.#up(resumed ? "Connected again" : "Connected again, as a new member"));
    peer.on("disconnect", (error, retryIn) => {
      // The second of two failures in a row is no news: only the countdown begins anew.
      this.#down("No connection to the server. Direct paths go on.");
      $("connection-state").title = inWords(error);
      this.#countDown(performance.now() + retryIn);
    });
    peer.on("refused", (error) => this.#down(`${inWords(error)}.`));
    $("connection-retry").onclick = () => {
      peer.reconnect();
      $("log").focus();
    };
  }

  stop() {
    clearInterval(this.#timer);
  }

  #up(text) {
    this.#set("up", text);
    $("connection-state").title = "";
  }

  #down(text) {
    this.#set("down", text);
  }

  #set(state, text) {
    clearInterval(this.#timer);
    $("connection").dataset.state = state;
    setText($("connection-state"), text);
    setText($("connection-next"), "");
    $("connection-retry").hidden = state === "up";
  }

  /** Beside the text that is read out: a number that changes each second would be read out each second. */
  #countDown(end) {
    const tick = () => {
      const seconds = Math.ceil((end - performance.now()) / 1000);
      setText($("connection-next"), seconds > 0 ? `Again in ${seconds} s` : "Trying …");
    };
    tick();
    this.#timer = setInterval(tick, 250);
  }
}
