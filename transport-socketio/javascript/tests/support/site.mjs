// The package, pages that use it, and the original library, on a port of their own.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const npm = here("../node_modules");

/** The folder with the built package. */
export const built = process.env.SOCKETIO_P2P_JAVASCRIPT;

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** The place of what a page asks for: its own files first, then those of the package. */
function find(path) {
  switch (path) {
    case "/original/socket.io.js":
      return join(npm, "socket.io-client/dist/socket.io.js");
    case "/original/p2p.js":
      return join(npm, "socket.io-p2p/socketiop2p.min.js");
  }
  if (!/^\/[\w.-]+$/.test(path)) return undefined;
  return [here("site"), built].map((folder) => join(folder, path)).find(existsSync);
}

export async function serveSite() {
  if (!built) throw new Error("expected the folder of the built package in SOCKETIO_P2P_JAVASCRIPT");
  const server = createServer((request, response) => {
    const file = find(new URL(request.url, "http://site").pathname);
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": `${types[extname(file)] ?? "text/plain"}; charset=utf-8` });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
