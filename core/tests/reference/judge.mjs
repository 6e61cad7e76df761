// The reference parser as a filter: the same lines in and out as the `codec` example, except that an error is
// its message alone.
import { createInterface } from "node:readline";
import { Decoder, PacketType } from "socket.io-parser";

const isBytes = (value) => value instanceof Uint8Array;

const show = (value) => {
  if (value === undefined) return null;
  // Half a surrogate pair is no text that a line could carry.
  // As `toWellFormed`, which Node.js has from version 20 on: UTF-8 has no lone surrogates.
  if (typeof value === "string") return Buffer.from(value, "utf8").toString("utf8");
  if (typeof value === "number" && !Number.isFinite(value)) return `$${value}`;
  if (isBytes(value)) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(show);
  if (value !== null && typeof value === "object") {
    const shown = Object.create(null);
    for (const key of Object.keys(value)) shown[key] = show(value[key]);
    return shown;
  }
  return value;
};

const judge = ({ frames }) => {
  const decoder = new Decoder();
  const packets = [];
  decoder.on("decoded", ({ type, nsp, id, data }) => {
    const name = PacketType[type].replace(/^BINARY_/, "");
    packets.push({ type: name, nsp, id: show(id), data: show(data) });
  });
  try {
    for (const frame of frames) {
      decoder.add(typeof frame === "string" ? frame : Buffer.from(frame.$bytes, "base64"));
    }
  } catch (error) {
    return { packets, pending: false, error: error.message };
  }
  return { packets, pending: Boolean(decoder.reconstructor) };
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line.trim()) process.stdout.write(`${JSON.stringify(judge(JSON.parse(line)))}\n`);
}
