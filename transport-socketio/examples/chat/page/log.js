// What was said and what happened, with the newest at the end.

import { $, colour, element } from "./dom.js";

/** The maximum number of entries: older ones go. */
const MAX_ENTRIES = 500;

/** What is to be done when an entry goes. */
const ends = new WeakMap();

const log = $("log");
const toEnd = $("to-end");
const title = document.title;
let unseen = 0;

/** What a member says; without one, what this one says. */
export function say(member, name, text) {
  add(entry(member, name, element("p", { className: "text" }, text)));
}

/** What happened, in one sentence. */
export function note(text) {
  add(element("p", { className: "note" }, text));
}

/** What went wrong. */
export function trouble(text) {
  add(element("p", { className: "note trouble" }, element("span", { className: "unseen" }, "Problem: "), text));
}

/** What a member sends, other than text; `end` is called when the entry goes. */
export function show(member, name, body, end) {
  const shown = entry(member, name, body);
  if (end) ends.set(shown, end);
  add(shown);
}

export function clear() {
  for (const old of [...log.children]) remove(old);
  toEnd.hidden = true;
}

function entry(member, name, body) {
  const now = new Date();
  const time = now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return element(
    "article",
    { className: member ? "theirs" : "mine" },
    element(
      "p",
      { className: "head" },
      element("b", { className: member ? colour(member.id) : "" }, name),
      " ",
      element("time", { dateTime: now.toISOString() }, time),
    ),
    body,
  );
}

function add(entry) {
  const follows = isAtEnd() || entry.className === "mine";
  const counts = entry.localName === "article";
  log.append(entry);
  if (log.children.length > MAX_ENTRIES) remove(log.firstElementChild);
  if (follows) log.scrollTop = log.scrollHeight;
  else if (counts) toEnd.hidden = false;
  if (counts && document.hidden) document.title = `(${++unseen}) ${title}`;
}

function remove(entry) {
  ends.get(entry)?.();
  entry.remove();
}

function isAtEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 40;
}

log.addEventListener("scroll", () => {
  if (isAtEnd()) toEnd.hidden = true;
});

toEnd.addEventListener("click", () => {
  log.scrollTop = log.scrollHeight;
  log.focus();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  document.title = title;
});

// The log becomes lower when the keyboard of a phone appears or a field grows.
new ResizeObserver(() => {
  if (toEnd.hidden) log.scrollTop = log.scrollHeight;
}).observe(log);
