// Errors in words.

const SENTENCES = {
  "bad-url": "The address of the server is not usable",
  "bad-option": "This room cannot be joined",
  "bad-page": "This browser lacks something that the chat needs",
  "no-server": "The server cannot be reached",
  "no-direct-path": "The direct path does not work",
  "no-peer": "This person has left",
  "left": "This person has left",
  "timeout": "No answer came in time",
  "too-large": "It is too large",
  "too-much": "Too much is waiting already",
  "unsupported": "The other end does not support it",
  "closed": "You have left the room",
};

const REFUSALS = {
  "room-full": "The room is full",
  "too-many-rooms": "The server has as many rooms as it can take",
  "too-many-joins": "Too many people join at the same time. Try again in some seconds",
  "closing": "The server is about to end. Try again in some seconds",
};

/** One sentence, without a full stop. */
export function inWords(error) {
  const message = error instanceof Error ? error.message : String(error);
  if (error?.code === "refused") {
    return REFUSALS[error.reason] ?? `The server does not let you in: ${message}`;
  }
  const sentence = SENTENCES[error?.code];
  return sentence ? `${sentence}: ${message}` : message;
}

const LEAVING = {
  "left": "has left the room",
  "lost": "has left the room: the connection is lost",
  "timed out": "has left the room: no path led there for some time",
  "kicked": "was removed from the room",
  "restarted": "begins anew",
};

export function leaving(reason) {
  return LEAVING[reason] ?? `has left the room: ${reason}`;
}

const DIRECT = {
  "validated, unused until `upgrade`": "The direct path is ready. Events take it when you go private.",
  "the peer's offer is awaited": "The other end is about to open it.",
};

/** Why a member is not reached directly. */
export function whyNotDirect({ direct, failure }) {
  const state = DIRECT[direct] ?? `The direct path: ${direct}.`;
  return failure ? `${state} The last attempt failed ${failure}.` : state;
}
