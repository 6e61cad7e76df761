// Keeps what the package opens, so that a test can cut it. Loaded before the package.
{
  const record = (name) => {
    const Original = window[name];
    const opened = [];
    window[name] = class extends Original {
      constructor(...args) {
        super(...args);
        opened.push(this);
      }
    };
    return opened;
  };
  const connections = record("RTCPeerConnection");
  const sockets = record("WebSocket");

  window.cut = {
    /** Ends all direct paths under the package. @returns how many. */
    connections() {
      const open = connections.filter((one) => one.connectionState === "connected");
      for (const one of open) one.close();
      return open.length;
    },
    /** Ends the connection to the server under the package. @returns how many. */
    sockets() {
      const open = sockets.filter((one) => one.readyState === WebSocket.OPEN);
      for (const one of open) one.close(4000, "cut");
      return open.length;
    },
  };
  window.opened = { connections, sockets };
}
