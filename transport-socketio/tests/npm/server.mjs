// The reference server, for our client. Prints its port; ends when its standard input ends.

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { pingInterval: 100, pingTimeout: 2000, maxHttpBufferSize: 1e6 });

io.use((socket, next) => {
  if (socket.handshake.auth.refused) {
    const error = new Error("refused");
    error.data = { code: "no" };
    next(error);
  } else {
    next();
  }
});

io.on("connection", (socket) => {
  socket.emit("hello", socket.handshake.auth, socket.handshake.query.room ?? null);
  socket.on("echo", (...args) => socket.emit("echo", ...args));
  socket.on("ask", (...args) => args.pop()(...args));
  socket.on("ask-me", () => socket.emit("question", 1, (answer) => socket.emit("heard", answer)));
  socket.on("cut", () => socket.conn.close());
  socket.on("ping-count", () => {
    let pongs = 0;
    socket.conn.on("heartbeat", () => {
      pongs += 1;
      if (pongs === 3) socket.emit("pongs", pongs);
    });
  });
});

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
