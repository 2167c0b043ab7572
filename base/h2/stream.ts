import { type H2ErrorName, Http2Error } from "./frame.ts";
import type { HeaderField } from "./hpack/static-table.ts";
import { STREAM_WINDOW_BYTES } from "./limits.ts";
import type { FrameSender, Outgoing } from "./sender.ts";

/** The receiver of a stream's data. */
export interface StreamListener {
  /**
   * Called with header fields after the request's head: a client gets the answer's head and
   * trailers.
   */
  onFields?(fields: readonly HeaderField[]): void;
  /** A part of the body. It counts against the stream's window until `stream.consumed`. */
  onData(bytes: Buffer): void;
  /** The peer has sent all: the request is complete, or the answer is. */
  onEnd(): void;
  /**
   * The stream is over before its time: reset, by the peer with its error code, or its connection
   * gone.
   */
  onAborted(code?: number): void;
}

/** The parts of a connection that a stream uses. */
interface Owner {
  readonly sender: FrameSender;
  /** The stream sent our last frame. */
  answered(stream: Http2Stream): void;
  /** Ends the stream with an error that is sent to the peer. */
  reset(stream: Http2Stream, reason: H2ErrorName): void;
}

const ALL_FRAMES = Number.MAX_SAFE_INTEGER;

/** One request and its answer, seen from either end. */
export class Http2Stream {
  readonly id: number;
  readonly #owner: Owner;
  listener: StreamListener | undefined;
  /** The peer's window for this stream. */
  sendWindow: number;
  /** This side's window: bytes that the peer may still send on this stream. */
  receiveWindow = STREAM_WINDOW_BYTES;
  /** Bytes of the body so far, and the length that the request declared. */
  receivedBytes = 0;
  contentLength: number | undefined;
  /** The peer has sent its last frame, and we have sent ours. */
  remoteClosed = false;
  localClosed = false;
  /** The stream is over; data that is sent on it is dropped. */
  closed = false;
  #unacknowledged = 0;
  #queue: Outgoing[] = [];
  #backlog = 0;
  #onDrain: (() => void) | undefined;

  constructor(id: number, owner: Owner, sendWindow: number) {
    this.id = id;
    this.#owner = owner;
    this.sendWindow = sendWindow;
  }

  /** Bytes that wait for the peer to read. */
  get backlog(): number {
    return this.#backlog;
  }

  /** Sends header fields or trailers; `constant` for a list that is sent again and again. */
  fields(fields: readonly HeaderField[], { constant = false, end = false } = {}): void {
    this.#send({ kind: "fields", fields, constant, end }, 0);
  }

  data(bytes: Buffer, end = false): void {
    this.#send({ kind: "data", bytes, end }, bytes.length);
  }

  /** Ends the stream with an error, in any state. */
  reset(reason: H2ErrorName): void {
    this.#owner.reset(this, reason);
  }

  /** The receiver has processed `bytes`: the peer may send that many more. */
  consumed(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.remoteClosed || this.closed) return;
    if (this.#unacknowledged < STREAM_WINDOW_BYTES / 2) return;
    this.#owner.sender.openWindow(this.id, this.#unacknowledged);
    this.receiveWindow += this.#unacknowledged;
    this.#unacknowledged = 0;
  }

  /** A body whose length is not the declared one is malformed (RFC 9113, section 8.1.1). */
  checkLength(complete: boolean): void {
    const { receivedBytes: received, contentLength: said } = this;
    if (said === undefined || (complete ? received === said : received <= said)) return;
    throw new Http2Error("PROTOCOL_ERROR", `a body of ${received} bytes, not ${said}`, this.id);
  }

  /** Calls back once nothing waits, or the stream is over. One caller at a time. */
  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  #send(item: Outgoing, bytes: number): void {
    if (this.closed) return;
    const { sender } = this.#owner;
    if (this.#queue.length === 0 && sender.send(this, item)) return this.#sent(item);
    const rest = item.kind === "data" ? item.bytes.length : bytes;
    this.#queue.push(item);
    this.#backlog += rest;
    sender.keepBack(rest);
    sender.wait(this);
  }

  /** Sends what waits, up to `frames_max` frames. */
  pump(frames_max = ALL_FRAMES): void {
    const { sender } = this.#owner;
    for (let frames = 0; ; frames++) {
      const item = this.#queue[0];
      if (!item) break;
      if (frames >= frames_max) return sender.wait(this);
      const before = sizeOf(item);
      const sent = sender.send(this, item);
      const moved = sent ? before : before - sizeOf(item);
      this.#backlog -= moved;
      sender.keepBack(-moved);
      sender.takenBytes += moved;
      if (!sent) return sender.wait(this);
      this.#queue.shift();
      this.#sent(item);
    }
    sender.stopWaiting(this);
    this.#callDrain();
  }

  /** The connection has ended the stream. */
  abandon(): void {
    this.closed = true;
    const { sender } = this.#owner;
    sender.stopWaiting(this);
    sender.keepBack(-this.#backlog);
    this.#backlog = 0;
    this.#queue = [];
    this.#callDrain();
  }

  #callDrain(): void {
    const callback = this.#onDrain;
    this.#onDrain = undefined;
    callback?.();
  }

  #sent(item: Outgoing): void {
    if (!item.end) return;
    this.localClosed = true;
    this.#owner.answered(this);
  }
}

const sizeOf = (item: Outgoing): number => (item.kind === "data" ? item.bytes.length : 0);
