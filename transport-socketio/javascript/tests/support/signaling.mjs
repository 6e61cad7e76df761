// The example `server`: signalling for pages and native peers.

import { Program } from "./program.mjs";
import { soon } from "./until.mjs";

export class Signaling {
  /** Starts a server; `port`: that of one that has ended. */
  static async start({ port = 0, args = [] } = {}) {
    const signaling = new Signaling();
    let heard;
    const url = new Promise((resolve) => (heard = resolve));
    signaling.program = new Program("server", ["--port", String(port), ...args], (line) => {
      const found = /^listening on (http:\S+)$/.exec(line);
      if (found) heard(found[1]);
    });
    signaling.url = await soon("the server's address", url);
    signaling.port = Number(new URL(signaling.url).port);
    return signaling;
  }

  kill() {
    return this.program.kill();
  }
}
