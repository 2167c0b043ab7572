import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { StreamingError } from "../errors.ts";
import { Unread } from "../inflow.ts";
import { CONTROL_BYTES, PING_MS, STREAMS } from "../limits.ts";
import {
  controlFrame,
  dataHeader,
  FLAG_FIN,
  type Frame,
  FrameParser,
  FrameType,
  numbers,
} from "./frames.ts";
import { HeaderCodec, type SpdyHeaders } from "./headers.ts";
import { SpdyStream, type StreamCarrier } from "./stream.ts";

const RST_PROTOCOL_ERROR = 1;
const RST_INVALID_STREAM = 2;
const RST_REFUSED_STREAM = 3;
const RST_CANCEL = 5;
/**
 * Headers that the draft requires of every reply (section 3.2.2); Kubernetes' own ends send and
 * read nothing.
 */
const REPLY_HEADERS: SpdyHeaders = { ":status": "200", ":version": "HTTP/1.1" };
/** 31 bits of stream id; the first bit is reserved. */
const ID_MASK = 0x7fffffff;

export interface SpdyOptions {
  /** Which side we are: servers see odd stream ids, clients make them. */
  role: "client" | "server";
  /** Clock for the pings of a peer whose data is not read, to see whether it has gone. */
  clock?: Clock;
  /** A stream that the peer opened; it is accepted by `reply`, refused by `destroy`. */
  onStream: (stream: SpdyStream) => void;
}

/**
 * A SPDY/3.1 connection over any byte stream. Reading waits for the streams' readers when too much
 * is unread, and for the peer when it does not take the answers to its control frames. Sending does
 * not look at the peer's flow-control windows: Kubernetes' clients never open theirs (their library
 * has no flow control), TCP's own back-pressure holds instead.
 */
export class SpdyConnection implements StreamCarrier {
  readonly #socket: Duplex;
  readonly #options: SpdyOptions;
  readonly #codec = new HeaderCodec();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #clock: Clock;
  #nextId: number;
  #pingId: number;
  /**
   * Windows are opened only for a peer that speaks of them. Go's ends never do, and close their TCP
   * connection without waiting: a frame to a closed end makes TCP drop what we have not read yet.
   */
  #peerCountsWindows = false;
  /** Header blocks go out in the order of their compression; what follows a block waits for it. */
  #packing: Promise<void> = Promise.resolve();
  /** Frames that wait in `#packing`. */
  #waiting = 0;
  readonly #unread = new Unread(() => this.#wake());
  /** Bytes of control frames that the socket has not taken yet. */
  #unsent = 0;
  #wake: () => void = () => undefined;
  /** Resolves when the connection is over, with the reason when it broke. */
  readonly closed: Promise<Error | undefined>;

  constructor(socket: Duplex, options: SpdyOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#clock = options.clock ?? systemClock({ unref: true });
    this.#nextId = options.role === "client" ? 1 : 2;
    this.#pingId = this.#nextId;
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#wake());
    this.closed = this.#readAll();
  }

  /** Opens a stream to the peer. */
  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(id, headers, this, this.#unread);
    this.#streams.set(id, stream);
    await this.#sendHeaders(FrameType.synStream, id, headers, 10);
    return stream;
  }

  /** Ends the connection when all that was written is sent. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  sendData(id: number, data: Buffer, fin: boolean, done: (error?: Error) => void): void {
    this.#inOrder(() => {
      if (!this.#socket.writable) return done(new StreamingError("the connection is closed"));
      this.#socket.cork();
      this.#socket.write(dataHeader(id, data.length, fin));
      this.#socket.write(data, (error) => done(error ?? undefined));
      this.#socket.uncork();
    });
  }

  sendReply(id: number): void {
    void this.#sendHeaders(FrameType.synReply, id, REPLY_HEADERS, 4);
  }

  sendReset(id: number): void {
    this.#inOrder(() => this.#send(FrameType.rstStream, numbers(id, RST_CANCEL)));
  }

  sendWindow(id: number, bytes: number): void {
    if (bytes === 0 || !this.#peerCountsWindows) return;
    this.#send(FrameType.windowUpdate, numbers(id, bytes));
    this.#send(FrameType.windowUpdate, numbers(0, bytes));
  }

  forget(id: number): void {
    this.#streams.delete(id);
  }

  #send(type: number, payload: Buffer): void {
    if (!this.#socket.writable) return;
    const frame = controlFrame(type, 0, payload);
    this.#unsent += frame.length;
    this.#socket.write(frame, () => {
      this.#unsent -= frame.length;
      this.#wake();
    });
  }

  /** Waits until more may be read, or the connection has ended. */
  async #drained(): Promise<void> {
    while ((this.#unread.full || this.#unsent > CONTROL_BYTES) && !this.#socket.destroyed) {
      // A peer's end is not seen while it is not read; what is sent to it fails then.
      const ping = this.#clock.after(PING_MS, () => {
        this.#pingId += 2;
        if (this.#unsent <= CONTROL_BYTES) this.#send(FrameType.ping, numbers(this.#pingId));
      });
      await new Promise<void>((resolve) => (this.#wake = resolve));
      ping.cancel();
    }
  }

  /**
   * Sends immediately, or after the header blocks that are still being compressed: data, an end or
   * a reset that overtakes a stream's reply would be for a stream that the peer does not know.
   */
  #inOrder(send: () => void): void {
    if (this.#waiting === 0) return send();
    this.#waiting++;
    this.#packing = this.#packing.then(() => {
      this.#waiting--;
      send();
    });
  }

  /** `prefix` is the length of the fields before the header block: ids, priority. */
  #sendHeaders(type: number, id: number, headers: SpdyHeaders, prefix: number): Promise<void> {
    this.#waiting++;
    const sent = this.#packing.then(async () => {
      try {
        const start = Buffer.alloc(prefix);
        start.writeUInt32BE(id);
        const block = this.#socket.writable ? await this.#codec.pack(headers) : undefined;
        if (block) this.#send(type, Buffer.concat([start, block]));
      } finally {
        this.#waiting--;
      }
    });
    // The peer cannot read on when a block of the zlib stream is missing.
    this.#packing = sent.catch((thrown: unknown) => void this.#socket.destroy(asError(thrown)));
    return sent;
  }

  async #readAll(): Promise<Error | undefined> {
    const parser = new FrameParser();
    try {
      for await (const chunk of this.#socket) {
        for (const frame of parser.push(chunk as Buffer)) {
          await this.#handle(frame);
          await this.#drained();
        }
      }
      return undefined;
    } catch (thrown) {
      return thrown instanceof Error ? thrown : new StreamingError(String(thrown));
    } finally {
      for (const stream of this.#streams.values()) stream.wasReset();
      this.#codec.close();
      this.#socket.end();
    }
  }

  async #handle(frame: Frame): Promise<void> {
    if (frame.kind === "data") {
      const stream = this.#streams.get(frame.streamId);
      if (stream) stream.receive(frame.data, frame.fin);
      else this.#send(FrameType.rstStream, numbers(frame.streamId, RST_INVALID_STREAM));
      return;
    }
    const { type, flags, payload } = frame;
    if (payload.length < 4) throw new StreamingError(`a SPDY frame of type ${type} is cut short`);
    const id = payload.readUInt32BE(0) & ID_MASK;
    const fin = (flags & FLAG_FIN) !== 0;
    switch (type) {
      case FrameType.synStream:
        await this.#accept(id, await this.#codec.unpack(payload.subarray(10)), fin);
        return;
      case FrameType.synReply:
      case FrameType.headers:
        // Nothing in them matters here; the block must be unpacked to keep the zlib stream in step.
        await this.#codec.unpack(payload.subarray(4));
        if (fin) this.#streams.get(id)?.receive(Buffer.alloc(0), true);
        return;
      case FrameType.rstStream:
        this.#streams.get(id)?.wasReset();
        return;
      case FrameType.ping:
        // Each side numbers its own: an id that is not ours wants its answer.
        if (id % 2 !== this.#nextId % 2) this.#send(FrameType.ping, payload);
        return;
      case FrameType.settings:
      case FrameType.windowUpdate:
        this.#peerCountsWindows = true;
        return;
      default:
        // GOAWAY and frames of later drafts: nothing to do.
        return;
    }
  }

  async #accept(id: number, headers: SpdyHeaders, fin: boolean): Promise<void> {
    const refuse = (code: number) => this.#send(FrameType.rstStream, numbers(id, code));
    if (this.#streams.has(id) || id % 2 === this.#nextId % 2) return refuse(RST_PROTOCOL_ERROR);
    if (this.#streams.size >= STREAMS) return refuse(RST_REFUSED_STREAM);
    const stream = new SpdyStream(id, headers, this, this.#unread);
    this.#streams.set(id, stream);
    this.#options.onStream(stream);
    if (fin) stream.receive(Buffer.alloc(0), true);
  }
}
