import load, { join as joinRoom } from "./socketio_p2p.js";

let loading;

export function init(from) {
  loading ??= load(from === undefined ? undefined : { module_or_path: from }).then(
    () => undefined,
    (error) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

export async function join(url, options) {
  await init();
  return joinRoom(url, options);
}
