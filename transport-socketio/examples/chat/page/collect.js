// The bytes of a stream as a blob.

/** Beyond it, what has come is handed to the browser, which may put it on the disk. */
const MAX_PIECE = 8 << 20;

/** Reads a stream to its end. */
export async function collect(stream, signal, onprogress) {
  const reader = stream.getReader();
  signal.addEventListener("abort", () => reader.cancel().catch(() => {}));
  let [whole, piece, inPiece] = [[], [], 0];
  for (;;) {
    const { done, value } = await reader.read();
    signal.throwIfAborted();
    if (value) {
      piece.push(value);
      inPiece += value.length;
    }
    if (done || inPiece > MAX_PIECE) {
      whole.push(new Blob(piece));
      [piece, inPiece] = [[], 0];
    }
    if (done) break;
    onprogress(whole.reduce((sum, { size }) => sum + size, inPiece));
  }
  // Never shown as a page, whatever it is.
  return new Blob(whole, { type: "application/octet-stream" });
}
