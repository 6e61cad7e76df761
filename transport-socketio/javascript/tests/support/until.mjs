/** Waits until `isSo()` is truthy and returns that value; looks every few milliseconds, and fails after `limit`. */
export async function until(what, isSo, limit = 20_000) {
  const end = performance.now() + limit;
  for (;;) {
    const is = await isSo();
    if (is) return is;
    if (performance.now() > end) {
      throw new Error(`expected within ${limit} ms: ${typeof what === "function" ? await what() : what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Fails when `promise` is not settled within `limit`. */
export async function soon(what, promise, limit = 20_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`expected within ${limit} ms: ${what}`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
