// Texts of other people, bounded and without characters that could mislead: as the terminal's chat cleans them.

const MAX_NAME = 24;
const MAX_TEXT = 4000;
const MAX_FILE_NAME = 120;

/** The first `max` characters of a text, without control characters and those that change the direction of others. */
export function printable(text, max) {
  const characters = [...String(text).slice(0, 4 * max)].filter(isPrintable);
  const clean = characters.slice(0, max).join("").toWellFormed();
  return characters.length > max ? `${clean}…` : clean;
}

function isPrintable(character) {
  return !/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u.test(character);
}

/** The name that somebody has sent or entered; `null` if nothing of it can be shown. */
export function cleanName(name) {
  if (typeof name !== "string") return null;
  return printable(name.trim(), MAX_NAME).trim() || null;
}

export function cleanText(text) {
  return printable(text, MAX_TEXT);
}

/** A file name without directories, that is not hidden. */
export function cleanFileName(name) {
  const last = typeof name === "string" ? name.split(/[/\\]/).pop() : "";
  const visible = printable(last.replace(/[<>:"|?*]/g, "_"), MAX_FILE_NAME);
  return visible.replace(/^[. -]+|[. ]+$/g, "") || "file";
}

const UNITS = ["kB", "MB", "GB", "TB"];

/** `300 kB` */
export function bytes(number) {
  if (number < 1000) return number === 1 ? "1 byte" : `${number} bytes`;
  let [value, unit] = [number / 1000, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** `1 person`, `2 people` */
export function count(number, one, more) {
  return `${number} ${number === 1 ? one : more}`;
}

/** `ann, ben and cleo` */
export function list(words) {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
