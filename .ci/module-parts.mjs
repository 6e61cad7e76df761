// What the crates weigh in a module before wasm-bindgen: `node .ci/module-parts.mjs FILE.wasm`. Reads the sizes of its
// functions and their names (WebAssembly's sections 2, 10 and "name"; Rust's v0 mangling).
import { readFileSync } from "node:fs";

const file = readFileSync(process.argv[2]);
let at = 8;
const number = () => {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = file[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
};
const text = () => {
  const length = number();
  return file.toString("utf8", at, (at += length));
};

let imported = 0;
const sizes = [];
const names = new Map();
while (at < file.length) {
  const section = file[at++];
  const length = number();
  const end = at + length;
  if (section === 2) {
    for (let left = number(); left > 0; left -= 1) {
      text();
      text();
      const kind = file[at++];
      if (kind !== 0) throw new Error(`expected functions as the imports, got the kind ${kind}`);
      number();
      imported += 1;
    }
  } else if (section === 10) {
    for (let left = number(); left > 0; left -= 1) {
      const size = number();
      sizes.push(size);
      at += size;
    }
  } else if (section === 0 && text() === "name") {
    while (at < end) {
      const kind = file[at++];
      const part = number();
      const next = at + part;
      if (kind === 1) for (let left = number(); left > 0; left -= 1) names.set(number(), text());
      at = next;
    }
  }
  at = end;
}

// A generic function counts for the first crate of this project in its name.
const parts = new Map();
let sum = 0;
sizes.forEach((size, index) => {
  const name = names.get(imported + index) ?? "";
  if (name.includes("__wbindgen_describe")) return; // wasm-bindgen removes these
  const ours = /\d(socketio_p2p_(?:core|transport_socketio|transport_webrtc|javascript))/.exec(name);
  const part = ours?.[1] ?? (name.startsWith("_R") ? "libraries" : "socketio_p2p_javascript");
  parts.set(part, (parts.get(part) ?? 0) + size);
  sum += size;
});
for (const [part, size] of [...parts].sort(([, a], [, b]) => b - a)) {
  console.log(`${((100 * size) / sum).toFixed(1).padStart(5)} % of the code: ${part}`);
}
