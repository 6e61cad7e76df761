// What the original library, of 2015, expects of a browser and no longer finds.
{
  const Connection = window.RTCPeerConnection;
  const { getStats } = Connection.prototype;
  // It passes a callback that takes a report in a form of its time.
  Connection.prototype.getStats = function (callback, ...rest) {
    if (typeof callback !== "function") return getStats.call(this, callback, ...rest);
    return getStats.call(this).then(() => callback({ result: () => [] }));
  };
  window.Buffer = { isBuffer: () => false };
  window._appendBuffer = (first, second) => {
    const both = new Uint8Array(first.byteLength + second.byteLength);
    both.set(new Uint8Array(first), 0);
    both.set(new Uint8Array(second), first.byteLength);
    return both.buffer;
  };
}
