import { Duplex } from "node:stream";
import { StreamingError } from "../errors.ts";
import { Inflow, type Unread } from "../inflow.ts";
import { CHUNK_BYTES } from "../limits.ts";
import type { SpdyHeaders } from "./headers.ts";

/** The parts of a connection that a stream uses. */
export interface StreamCarrier {
  sendData(streamId: number, data: Buffer, fin: boolean, done: (error?: Error) => void): void;
  sendReply(streamId: number): void;
  sendReset(streamId: number): void;
  /** The stream's data was taken by its reader. */
  sendWindow(streamId: number, bytes: number): void;
  forget(streamId: number): void;
}

/** One SPDY stream: both directions end on their own. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #carrier: StreamCarrier;
  readonly #inflow: Inflow;
  #ended = false;
  #reset = false;

  constructor(id: number, headers: SpdyHeaders, carrier: StreamCarrier, unread: Unread) {
    super({ readableHighWaterMark: CHUNK_BYTES, allowHalfOpen: true });
    this.id = id;
    this.headers = headers;
    this.#carrier = carrier;
    this.#inflow = new Inflow(this, unread);
    // A peer that resets the stream fails what is written to it: that ends the stream alone.
    this.on("error", () => this.destroy());
  }

  /** Accepts a stream that the peer opened. */
  reply(): void {
    this.#carrier.sendReply(this.id);
  }

  /** Data from the peer. */
  receive(data: Buffer, fin: boolean): void {
    if (this.destroyed || this.#ended) return;
    this.#inflow.push(data);
    if (fin) this.#end();
    this.#carrier.sendWindow(this.id, data.length);
  }

  /**
   * The peer reset the stream, or the connection ended. Go's ends reset every stream when they are
   * done with a connection, so what came before is still good: it is read to its end.
   */
  wasReset(): void {
    if (this.#reset || this.destroyed) return;
    this.#reset = true;
    this.#end();
    if (this.readableEnded) this.destroy();
    else this.once("end", () => this.destroy());
  }

  #end(): void {
    this.#ended = true;
    this.#inflow.end();
  }

  override _read(): void {
    this.#inflow.wanted();
  }

  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    if (this.#reset) return done(new StreamingError("the stream was reset by its reader"));
    const send = (offset: number): void => {
      const piece = chunk.subarray(offset, offset + CHUNK_BYTES);
      const end = offset + piece.length;
      this.#carrier.sendData(this.id, piece, false, (error) => {
        if (error || end >= chunk.length) done(error);
        else send(end);
      });
    };
    send(0);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#reset) return done();
    this.#carrier.sendData(this.id, Buffer.alloc(0), true, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inflow.drop();
    const finished = this.#ended && this.writableFinished;
    if (!finished && !this.#reset) this.#carrier.sendReset(this.id);
    this.#carrier.forget(this.id);
    done(error);
  }
}
