// A client of the original library. Tests call what this puts on `window`.
{
  const received = [];
  const start = (url) => {
    const socket = io(url, { forceNew: true, transports: ["websocket"] });
    const original = new P2P(socket, { numClients: 3 });
    window.me = original;
    for (const name of ["text", "blob"]) original.on(name, (arg) => received.push({ name, arg }));
    original.on("upgrade", () => (window.upgraded = true));
    return new Promise((resolve) => socket.on("connect", () => resolve((original.id = socket.id))));
  };
  Object.assign(window, { start, received, loaded: true });
}
