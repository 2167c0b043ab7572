import type { Socket } from "node:net";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { Http2Endpoint } from "./endpoint.ts";
import { FRAME, H2_ERROR, Http2Error, PREFACE } from "./frame.ts";
import type { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import type { HeaderField } from "./hpack/static-table.ts";
import {
  CONNECTION_WINDOW_BYTES,
  HEADER_LIST_BYTES_MAX,
  SILENCE_LOOK_MS,
  STREAM_WINDOW_BYTES,
} from "./limits.ts";
import { DEFAULT_WINDOW_BYTES, encodeSettings } from "./settings.ts";
import { Http2Stream, type StreamListener } from "./stream.ts";

export interface ClientConnectionOptions {
  readonly clock: Clock;
  /**
   * Whether a server that is silent while streams are under way is asked for a sign of life, and
   * left without one. Servers of gRPC's own libraries end a connection that asks within 5 minutes.
   */
  readonly leavesSilent: boolean;
  /**
   * The turns that the input of servers takes which are not trusted: one that sends too many frames
   * that carry nothing is left, too.
   */
  readonly turns?: InputTurns | undefined;
  /** The server's settings have come: calls may start, or more of them than before. */
  readonly onReady: () => void;
  /** A stream has ended: another may start. */
  readonly onFreeStream: () => void;
  /** No more streams start here; those under way may finish. */
  readonly onLeaving: () => void;
  readonly onClose: () => void;
}

/** The last stream id of 31 bits; after it a new connection is needed. */
const STREAM_ID_MAX = 0x7fffffff;
/** A PING's content, which its answer repeats. */
const PING_BYTES = Buffer.alloc(8);

/**
 * The client's end of one HTTP/2 connection, over a socket that is open. While no stream is under
 * way it does not keep the process alive.
 */
export class Http2ClientConnection extends Http2Endpoint {
  readonly #socket: Socket;
  readonly #options: ClientConnectionOptions;
  readonly #decoder = new HpackDecoder((list) => list);
  #nextId = 1;
  #look: Timer | undefined;

  constructor(socket: Socket, options: ClientConnectionOptions) {
    super(socket, options.clock, true, options.turns);
    this.#socket = socket;
    this.#options = options;
    socket.write(PREFACE);
    const settings = encodeSettings({
      streams_max: undefined,
      windowBytes: STREAM_WINDOW_BYTES,
      headerListBytes_max: HEADER_LIST_BYTES_MAX,
    });
    this.sender.control(FRAME.SETTINGS, 0, settings);
    this.sender.openWindow(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
    if (options.leavesSilent) this.#lookLater({ received_bytes: 0, isAsked: false });
  }

  /** Whether another stream may start now. */
  get hasFreeStream(): boolean {
    const open = this.settled && !this.closing && !this.over;
    return open && this.streams.size < this.sender.settings.streams_max;
  }

  /** Starts a stream; `constant` for a head that is sent again and again. */
  open(head: readonly HeaderField[], constant: boolean, listener: StreamListener): Http2Stream {
    assert(this.hasFreeStream, "a stream where none may begin");
    const stream = new Http2Stream(this.#nextId, this, this.sender.settings.initialWindowBytes);
    this.#nextId += 2;
    stream.listener = listener;
    this.streams.set(stream.id, stream);
    if (this.streams.size === 1) this.#socket.ref();
    this.sender.head(stream.id, head, constant);
    if (this.#nextId > STREAM_ID_MAX) this.#leave();
    return stream;
  }

  /** Lets only streams under way keep the process alive. */
  rest(): void {
    if (this.streams.size === 0) this.#socket.unref();
  }

  /** Starts no more streams; closes once those under way are over. */
  drain(): void {
    if (this.closing || this.over) return;
    this.#leave();
    this.endWhenIdle();
  }

  /** All of our side is sent: the answer is what is left. */
  override answered(stream: Http2Stream): void {
    if (stream.remoteClosed && !stream.closed) this.forget(stream, "ended");
  }

  protected override get lastStreamId(): number {
    return 0;
  }

  protected override isIdle(streamId: number): boolean {
    return streamId === 0 || streamId % 2 === 0 || streamId >= this.#nextId;
  }

  protected override onBlock({ streamId, endStream, bytes }: HeaderBlock): void {
    const fields = this.#decoder.decode(bytes);
    if (this.isIdle(streamId)) throw new Http2Error("PROTOCOL_ERROR", "headers on an idle stream");
    const stream = this.streams.get(streamId);
    // Frames that the server sent before it received the reset.
    if (!stream || stream.remoteClosed) return;
    if (!fields) throw new Http2Error("ENHANCE_YOUR_CALM", "too many header fields", streamId);
    // Of interim answers there may be any number (RFC 9110, section 15.2).
    if (!endStream) this.spendIdleFrame();
    stream.listener?.onFields?.(fields);
    if (endStream) this.remoteEnds(stream);
  }

  /** The response is complete: the rest of the request is not needed. */
  protected override onRemoteEnd(stream: Http2Stream): void {
    if (stream.closed) return;
    if (!stream.localClosed) this.sender.resetStream(stream.id, "CANCEL");
    this.forget(stream, stream.localClosed ? "ended" : "reset");
  }

  /** Streams after the last that the server has looked at were never processed (6.8). */
  protected override onGoAway(payload: Buffer): void {
    if (payload.length < 8) throw new Http2Error("FRAME_SIZE_ERROR", "GOAWAY");
    const last = payload.readUInt32BE(0) & STREAM_ID_MAX;
    if (!this.closing) this.#leave();
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= last) continue;
      this.forget(stream, "reset");
      stream.listener?.onAborted(H2_ERROR.REFUSED_STREAM);
    }
    this.endWhenIdle();
  }

  protected override spendIdleFrame(): void {
    if (this.#options.turns) super.spendIdleFrame();
  }

  protected override onSettled(): void {
    this.#options.onReady();
  }

  protected override onOver(): void {
    this.#look?.cancel();
    this.#options.onClose();
  }

  protected override forget(stream: Http2Stream, how: "ended" | "reset"): void {
    super.forget(stream, how);
    this.rest();
    if (!this.closing) this.#options.onFreeStream();
  }

  #leave(): void {
    this.closing = true;
    this.#options.onLeaving();
  }

  /** Looks whether anything came since the last look; without streams nothing has to. */
  #lookLater(last: { readonly received_bytes: number; readonly isAsked: boolean }): void {
    this.#look = this.#options.clock.after(SILENCE_LOOK_MS, () => {
      const received_bytes = this.#socket.bytesRead;
      const isSilent = received_bytes === last.received_bytes && this.streams.size > 0;
      if (isSilent && last.isAsked) return void this.#socket.destroy();
      if (isSilent) this.sender.control(FRAME.PING, 0, PING_BYTES);
      this.#lookLater({ received_bytes, isAsked: isSilent });
    });
  }
}
