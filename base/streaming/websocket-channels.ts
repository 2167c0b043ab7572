import { Readable, Writable } from "node:stream";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { WebSocket } from "ws";
import { StreamingError } from "./errors.ts";
import { Inflow, Unread } from "./inflow.ts";
import { CHUNK_BYTES, PING_MS } from "./limits.ts";

/** The channel on which v5 says that another one has ended. */
const CLOSE_CHANNEL = 255;
/** Channels are numbered by one byte, of which the last value is `CLOSE_CHANNEL`. */
export const CHANNELS = 255;

/**
 * Kubernetes' channels over WebSocket: the first byte of a message names its channel, by number in
 * a binary message, by digit in base64 ones. Reading waits for the slowest channel's reader; that a
 * client has gone is not seen meanwhile, but what is sent to it fails then, so it is pinged.
 */
export class WebSocketChannels {
  readonly #socket: WebSocket;
  readonly #base64: boolean;
  readonly #inflows = new Map<number, Inflow>();
  readonly #unread: Unread;
  readonly #clock: Clock;
  #ping: Timer | undefined;
  /** Aborts when the connection is over. */
  readonly gone: AbortSignal;

  constructor(socket: WebSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#base64 = socket.protocol.includes("base64");
    this.#unread = new Unread(() => {
      if (!this.#unread.full) socket.resume();
    });
    const gone = new AbortController();
    this.gone = gone.signal;
    socket.on("message", (message: Buffer) => this.#receive(message));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      for (const inflow of this.#inflows.values()) inflow.end();
      this.#ping?.cancel();
      gone.abort();
    });
    if (socket.readyState === socket.CLOSED) gone.abort();
  }

  /** Returns the client's data on a channel, which is below CHANNELS and has no reader yet. */
  reader(channel: number): Readable {
    const reader = new Readable({
      highWaterMark: CHUNK_BYTES,
      read: () => inflow.wanted(),
      destroy: (error, done) => {
        inflow.drop();
        done(error);
      },
    });
    reader.on("error", () => reader.destroy());
    const inflow = new Inflow(reader, this.#unread);
    this.#inflows.set(channel, inflow);
    if (this.gone.aborted) inflow.end();
    return reader;
  }

  /** Returns a channel to the client. Ending it sends nothing: these channels have no end. */
  writer(channel: number): Writable {
    const writer = new Writable({
      highWaterMark: CHUNK_BYTES,
      write: (chunk: Buffer, _, done) => this.#sendAll(channel, chunk, done),
    });
    // Output that comes while the client goes is dropped; `gone` reports its end.
    writer.on("error", () => writer.destroy());
    return writer;
  }

  /** Sends one message; an empty one shows clients that the channel is open. */
  send(channel: number, data: Buffer, done: (error?: Error | null) => void = () => {}): void {
    if (this.gone.aborted) {
      done(new StreamingError("the connection is closed"));
      return;
    }
    const message = this.#base64
      ? `${channel}${data.toString("base64")}`
      : Buffer.concat([Buffer.of(channel), data]);
    this.#socket.send(message, done);
  }

  /** Ends a channel's reader after what the client has sent. */
  end(channel: number): void {
    this.#inflows.get(channel)?.end();
  }

  /** Starts the closing handshake. Later data of the client is dropped. */
  close(): void {
    for (const inflow of this.#inflows.values()) inflow.drop();
    this.#socket.close(1000);
  }

  #sendAll(channel: number, chunk: Buffer, done: (error?: Error | null) => void, offset = 0): void {
    const end = offset + CHUNK_BYTES;
    this.send(channel, chunk.subarray(offset, end), (error) => {
      if (error || end >= chunk.length) done(error);
      else this.#sendAll(channel, chunk, done, end);
    });
  }

  #receive(message: Buffer): void {
    if (message.length === 0) return;
    const channel = this.#base64 ? message[0]! - 0x30 : message[0]!;
    if (channel === CLOSE_CHANNEL) {
      this.end(message[1] ?? CLOSE_CHANNEL);
      return;
    }
    const rest = message.subarray(1);
    const data = this.#base64 ? Buffer.from(rest.toString("latin1"), "base64") : rest;
    // Clients send empty messages to see whether a channel is open.
    this.#inflows.get(channel)?.push(data);
    if (!this.#unread.full) return;
    this.#socket.pause();
    this.#ping ??= this.#pingLater();
  }

  #pingLater(): Timer {
    return this.#clock.after(PING_MS, () => {
      this.#ping = undefined;
      if (!this.#socket.isPaused || this.gone.aborted) return;
      this.#socket.ping();
      this.#ping = this.#pingLater();
    });
  }
}
