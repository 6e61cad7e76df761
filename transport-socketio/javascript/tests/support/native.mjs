// The example `peer`: a native member that speaks JSON lines.

import { Program } from "./program.mjs";
import { until } from "./until.mjs";

/** Bytes in the arguments of a native peer. */
export const wrap = (bytes) => ({ $bytes: Buffer.from(bytes).toString("base64") });
export const unwrap = (value) => Buffer.from(value.$bytes, "base64");

export class Native {
  static async join(url, { room, args = [] }) {
    const native = new Native();
    native.lines = [];
    native.program = new Program("peer", ["--server", url, "--room", room, ...args], (line) => {
      native.lines.push(JSON.parse(line));
    });
    native.id = (await native.line({ ev: "connected" })).id;
    return native;
  }

  command(cmd, more = {}) {
    this.program.write(JSON.stringify({ cmd, ...more }));
  }

  emit(name, args, more = {}) {
    this.command("emit", { name, args, ...more });
  }

  /** The lines with these entries. */
  having(entries) {
    const is = (line) => Object.entries(entries).every(([key, value]) => line[key] === value);
    return this.lines.filter(is);
  }

  /** Waits for a line with these entries. */
  line(entries, limit) {
    return until(() => `${JSON.stringify(entries)} of a native peer\n${this.tail()}`, () => this.having(entries)[0], limit);
  }

  received(name) {
    return this.having({ ev: "received", name });
  }

  kill() {
    return this.program.kill();
  }

  tail() {
    return this.lines.slice(-20).map((line) => JSON.stringify(line).slice(0, 200)).join("\n");
  }
}
