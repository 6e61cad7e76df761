/**
 * Socket.IO events between the members of a room: through the server first, then directly over WebRTC data channels,
 * and through the server again when a direct path fails. Each event arrives once and in order, whatever path it takes.
 */

/**
 * Loads the WebAssembly module, once. {@link join} does so by itself; a program calls this to load it earlier or from
 * another place.
 *
 * @param from where the module is: a URL, a `Response`, bytes or a compiled module. By default the file beside this one.
 */
export function init(from?: string | URL | Request | Response | BufferSource | WebAssembly.Module): Promise<void>;

/**
 * Joins a room. The promise is settled when this page is in its room, or cannot be. From then on the connection to the
 * server is renewed by itself whenever it breaks.
 *
 * @param url of the server: `http:` or `https:`, `ws:` or `wss:`.
 * @throws {P2PError} with the code `bad-url`, `bad-option`, `bad-page`, `no-server`, `refused` or `closed`.
 */
export function join(url: string | URL, options?: JoinOptions): Promise<Peer>;

export interface JoinOptions {
  /** The name of the room. Default: `lobby`. */
  room?: string;
  /** What the server's application checks: an object of JSON, or a function that returns one for each attempt to connect. */
  auth?: object | (() => object | Promise<object>);
  /** What the other members see of this one from the start, as JSON of at most 4096 bytes. See {@link Peer.setData}. */
  data?: unknown;
  /** When to use direct paths. Default: `automatic`. */
  policy?: Policy;
  /** The maximum number of direct paths; further members are reached through the server. Default: 5. */
  maxPeers?: number;
  /** For how many milliseconds to wait for a server that cannot be reached yet. Default: 0, one attempt. */
  waitForServer?: number;
  /** The time limit of {@link Peer.emitWithAck} in milliseconds. Default: 10,000. */
  ackTimeout?: number;
  /**
   * Where the token is kept with which this page is the same member again after it was loaded anew. Default:
   * `sessionStorage`, so that two tabs are two members. `null`: nowhere.
   */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
}

/**
 * `automatic`: direct paths as soon as they work. `manual`: only after {@link Peer.upgrade}. `relay-only`: never.
 * `direct-only`: events never go through the server, and wait for a direct path.
 */
export type Policy = "automatic" | "manual" | "relay-only" | "direct-only";

/**
 * This page as a member of its room. What it emits goes to all other members; {@link to} addresses one.
 *
 * Arguments are what `JSON.stringify` takes, with `ArrayBuffer`s, typed arrays and `Blob`s anywhere in them: these arrive
 * as `Uint8Array`s.
 */
export interface Peer {
  /** This member's id. */
  readonly id: string;
  /** Whether the connection to the server is up. Direct paths do not depend on it. */
  readonly connected: boolean;
  /** The other members, in the order of their ids. */
  readonly peers: Member[];
  /** What the server's application says about this member. */
  readonly user: unknown;
  /** What the other members see of this one. */
  readonly data: unknown;
  /** The server's application. */
  readonly server: Server;
  policy: Policy;

  /** Another member; `undefined` when there is none. */
  peer(id: string): Member | undefined;
  /**
   * Addresses one member.
   *
   * @throws {P2PError} with the code `no-peer`.
   */
  to(peer: string | Member): Member;
  /**
   * Sends an event to all other members. Waits for room in the queue of each.
   *
   * @returns the members that did not take it, and why.
   */
  emit(event: string, ...args: unknown[]): Promise<Rejection[]>;
  readonly volatile: Volatile;
  /** Events that other events overtake. */
  readonly bulk: Pick<Peer, "emit">;
  /** Asks all other members. @returns their answers, or why there is none, in the order in which they came. */
  emitWithAck(event: string, ...args: unknown[]): Promise<Answer[]>;
  /** The same with another time limit for answers, in milliseconds. */
  timeout(ms: number): Pick<Peer, "emitWithAck">;
  /** Changes what the other members see of this one: JSON of at most 4096 bytes. */
  setData(data: unknown): void;
  /** Uses direct paths, under the policy `manual`. */
  upgrade(): void;
  /** Connects to the server now instead of after the pause. */
  reconnect(): void;
  /**
   * Delivers what was emitted, within 5 s, and leaves the room.
   *
   * @returns how many events and transfers were not delivered.
   */
  close(): Promise<number>;

  /** Calls `listener` for what happens in this session. These names are not those of events that members send. */
  on<E extends keyof PeerEvents>(event: E, listener: PeerEvents[E]): void;
  /**
   * Calls `listener` for the events of this name that other members send. When the sender asks for an answer, it gets
   * what the listener returns, or what the promise that it returns resolves to. If it throws, the sender gets no answer.
   */
  on(event: string, listener: Listener): void;
  once<E extends keyof PeerEvents>(event: E, listener: PeerEvents[E]): void;
  once(event: string, listener: Listener): void;
  /** Calls `listener` for each event of other members, whatever its name. */
  onAny(listener: (event: string, from: Member, ...args: any[]) => void): void;
  offAny(listener?: (event: string, from: Member, ...args: any[]) => void): void;
  /** Removes a listener; without one, all of the event; without an event, all. */
  off(event?: string, listener?: (...args: any[]) => unknown): void;
}

/**
 * @param arg the first argument of the event.
 * @param from the sender: never from the arguments, which are the sender's.
 * @param more the other arguments.
 */
export type Listener = (arg: any, from: Member, ...more: any[]) => unknown;

export interface PeerEvents {
  /** A member is there: one that has joined, or that was in the room before. */
  peer(peer: Member): void;
  /** Something about a member has changed: its path, its direct path, its data, its id. */
  "peer-changed"(peer: Member, what: "path" | "direct" | "data" | "away" | "back" | "id"): void;
  /** A member is gone. */
  "peer-left"(peer: Member, reason: string): void;
  /** Something went wrong with one member; events go on by another path. */
  "peer-error"(peer: Member, error: P2PError): void;
  /** All members, at most {@link JoinOptions.maxPeers}, have a direct path that works. */
  ready(): void;
  /** Events to these members use it. */
  upgrade(): void;
  /** A member sends a transfer, which waits until it is accepted or refused. */
  transfer(transfer: IncomingTransfer, from: Member): void;
  /** This member is in its room again. `resumed`: under the same id as before. */
  connect(connection: { id: string; resumed: boolean }): void;
  /** The connection to the server broke; the next attempt comes after this many milliseconds. Direct paths stay. */
  disconnect(error: P2PError, retryIn: number): void;
  /** The server does not let this member in again, or has removed it. There is no further attempt until {@link Peer.reconnect}. */
  refused(error: P2PError): void;
  /** A listener has thrown, or an answer could not be sent. Without a listener it is reported to the console. */
  error(error: unknown, event: string): void;
  /** The end, after {@link Peer.close}. */
  close(): void;
}

/**
 * Another member of the room. There is one object for each, whose fields say how it is now, and last was when it is
 * gone.
 */
export interface Member extends Receiver {
  readonly id: string;
  /** What the server's application says about it. */
  readonly user: unknown;
  /** What it says about itself. */
  readonly data: unknown;
  /** How events reach it now: `null` when they wait. */
  readonly path: "server" | "direct" | "via" | null;
  /** The member through which events reach it, if any. */
  readonly via: string | null;
  /** The time to it and back on this path in milliseconds, once it is known. */
  readonly roundTrip: number | null;
  /** What is about the direct path, in words: `direct`, or why not. */
  readonly direct: string;
  /** What went wrong with the direct path since it last worked. */
  readonly failure: string | null;
  /** Whether no path leads to it at present. */
  readonly away: boolean;
  /** Whether it has left. */
  readonly gone: boolean;
  /** Whether it is a client of the original library, which has neither acks nor transfers. */
  readonly original: boolean;
  /** Bytes that wait for it or that it has not confirmed. */
  readonly queued: number;
}

/** Events that are worthless when they are late: they may be lost, and never wait. */
export interface Volatile {
  /** @returns whether any member is sent it. */
  emit(event: string, ...args: unknown[]): Promise<boolean>;
}

/** One member as the receiver of events. */
export interface Receiver {
  /** Sends an event. Waits for room in the member's queue, and is settled when the event is in it. */
  emit(event: string, ...args: unknown[]): Promise<void>;
  readonly volatile: Volatile;
  /** Events that other events overtake. */
  readonly bulk: Pick<Receiver, "emit">;
  /** Sends an event and waits for the answer. @returns the first argument of the answer. */
  emitWithAck(event: string, ...args: unknown[]): Promise<any>;
  /** The same with another time limit for answers, in milliseconds. */
  timeout(ms: number): Pick<Receiver, "emitWithAck">;
  /**
   * Opens a transfer: bytes of any length, at the pace of the member that reads them.
   *
   * @param event a name that says to the receiver what it is.
   * @param arg what else the receiver must know of it.
   * @param options `size`: its length in bytes, if it is known.
   */
  openTransfer(event: string, arg?: unknown, options?: { size?: number }): Promise<OutgoingTransfer>;
}

/** The application of the server, in the same namespace. It is reached while {@link Peer.connected}. */
export interface Server {
  emit(event: string, ...args: unknown[]): Promise<void>;
  emitWithAck(event: string, ...args: unknown[]): Promise<any>;
  timeout(ms: number): Pick<Server, "emitWithAck">;
  on(event: string, listener: (...args: any[]) => unknown): void;
  off(event?: string, listener?: (...args: any[]) => unknown): void;
}

/** A transfer to a member: `await file.stream().pipeTo(transfer.writable)`, then `await transfer.done`. */
export interface OutgoingTransfer {
  /**
   * Takes `Uint8Array`s and other bytes. Aborting it cancels the transfer. A pipe that is aborted waits for the write
   * that is under way, and so for the receiver: {@link cancel} does not.
   */
  readonly writable: WritableStream<BufferSource>;
  /** How it ended: `delivered` when the receiver has read all, `refused`, `aborted` or `lost`. */
  readonly done: Promise<TransferOutcome>;
  /** Cancels it: what is being written fails, and `done` is `aborted`. */
  cancel(): void;
  /** Called when the receiver has read more: how many bytes, of how many if that is known. */
  onprogress: ((bytes: number, size: number | null) => void) | null;
}

/** A transfer from a member. */
export interface IncomingTransfer {
  readonly event: string;
  readonly arg: any;
  /** Its length in bytes, if the sender has said it. */
  readonly size: number | null;
  readonly from: Member;
  /** Called when more has been read: how many bytes, of how many if that is known. */
  onprogress: ((bytes: number, size: number | null) => void) | null;
  /** Its bytes. Cancelling the stream refuses the rest. */
  accept(): ReadableStream<Uint8Array>;
  /** Refuses it. */
  refuse(): void;
}

export type TransferOutcome = "delivered" | "refused" | "aborted" | "lost";

export interface Rejection {
  peer: string;
  error: P2PError;
}

/** The answer of a member, or why there is none. */
export type Answer = { peer: string; answer: any; error?: undefined } | { peer: string; error: P2PError };

/** An error of this library. Nothing has been sent of what it refuses, and the session goes on. */
export interface P2PError extends Error {
  name: "P2PError";
  code: ErrorCode;
  /** The server's own code, with `refused`. */
  reason?: string;
}

export type ErrorCode =
  /** The URL is not usable. */
  | "bad-url"
  /** An option is unknown or out of its bounds. */
  | "bad-option"
  /** An argument cannot be sent: a `BigInt`, a detached buffer, a cyclic object, a function. */
  | "bad-argument"
  /** The name of an event is not usable, or reserved. */
  | "bad-event"
  /** The event exceeds the limits of this session, of the receiver or of the server. */
  | "too-large"
  /** There is no such member. */
  | "no-peer"
  /** The member left before it answered, or before the event had room. */
  | "left"
  /** No answer came in time. */
  | "timeout"
  /** Too much waits already. */
  | "too-much"
  /** The member is a client of the original library and does not support this. */
  | "unsupported"
  /** The server cannot be reached, or the connection to it is lost. */
  | "no-server"
  /** The server refuses this member, or has removed it. */
  | "refused"
  /** The direct path to a member failed. */
  | "no-direct-path"
  /** A member broke the protocol. */
  | "bad-peer"
  /** The transfer has ended, was accepted before, or gets other bytes than announced. */
  | "transfer"
  /** The session is closed. */
  | "closed"
  /** This page lacks something: randomness, or streams. */
  | "bad-page";
