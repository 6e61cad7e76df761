// The example programs of this crate as processes.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const examples = process.env.SOCKETIO_P2P_EXAMPLES ?? join(target, "debug", "examples");

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
// The test runner ends a file that takes too long so.
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(1));

export class Program {
  /** Starts an example; `onLine` gets the lines of its standard output. */
  constructor(name, args, onLine) {
    const path = join(examples, name);
    if (!existsSync(path)) throw new Error(`expected the example ${path}, found none: cargo build --examples`);
    this.name = name;
    this.complaints = "";
    this.child = spawn(path, args, { stdio: ["pipe", "pipe", "pipe"] });
    running.add(this.child);
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code, signal) => {
        running.delete(this.child);
        resolve({ code, signal });
      });
    });
    this.child.stdin.on("error", () => {});
    this.child.stderr.on("data", (data) => (this.complaints += data));
    createInterface({ input: this.child.stdout }).on("line", onLine);
  }

  write(line) {
    this.child.stdin.write(`${line}\n`);
  }

  kill() {
    this.child.kill("SIGKILL");
    return this.ended;
  }
}
