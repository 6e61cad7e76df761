// A program that uses all of the package, as the types allow it.

import { init, join, type Answer, type Member, type P2PError } from "../../npm/index.js";

async function program(file: File): Promise<void> {
  await init();
  const me = await join("/", {
    room: "lobby",
    auth: async () => ({ ticket: "x" }),
    data: { name: "Ann" },
    policy: "automatic",
    maxPeers: 8,
    waitForServer: 5000,
    ackTimeout: 1000,
    storage: null,
  });
  me.on("peer", (member) => console.log(member.id, member.path, member.roundTrip));
  me.on("peer-changed", (member, what) => console.log(member.direct, what === "path"));
  me.on("disconnect", (error, retryIn) => console.log(error.code, retryIn.toFixed()));
  me.on("chat", (text: string, from) => from.emit("seen", text));
  me.on("add", ({ a, b }: { a: number; b: number }) => a + b);
  me.once("hello", async (text: string, from: Member) => `${text}, ${from.id}`);
  me.onAny((event, from, ...args) => console.log(event, from.data, args.length));
  me.on("transfer", async (transfer, from) => {
    transfer.onprogress = (bytes, size) => console.log(bytes / (size ?? 1), from.id);
    for await (const piece of transfer.accept() as unknown as AsyncIterable<Uint8Array>) console.log(piece.length);
  });

  for (const { peer, error } of await me.emit("chat", "hello", new Uint8Array(3), file)) console.log(peer, error.code);
  const sent: boolean = await me.volatile.emit("cursor", { x: 1 });
  await me.bulk.emit("history", [sent]);
  const answers: Answer[] = await me.timeout(500).emitWithAck("add", { a: 1, b: 2 });
  for (const each of answers) console.log(each.error ? each.error.code : each.answer);

  const [first] = me.peers;
  if (first !== undefined) {
    await me.to(first).emit("chat", "to you");
    const sum: number = await me.to(first.id).timeout(100).emitWithAck("add", { a: 1, b: 2 });
    await first.bulk.emit("sum", sum);
    const transfer = await first.openTransfer("file", { name: file.name }, { size: file.size });
    await file.stream().pipeTo(transfer.writable);
    console.log((await transfer.done) === "delivered");
  }
  me.server.on("news", (text: string) => text.length);
  await me.server.emit("log", 1).catch((error: P2PError) => console.log(error.reason));
  me.policy = "manual";
  me.upgrade();
  me.setData({ name: "Ann", away: true });
  me.off("chat");
  console.log(await me.close(), me.connected, me.user);
}

void program;
