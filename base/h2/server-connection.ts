import type { Duplex } from "node:stream";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { TokenBucket } from "@raft2kube/std/token-bucket.ts";
import { Http2Endpoint } from "./endpoint.ts";
import { FRAME, Http2Error } from "./frame.ts";
import type { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import type { HeaderField } from "./hpack/static-table.ts";
import {
  CONNECTION_WINDOW_BYTES,
  HEADER_LIST_BYTES_MAX,
  RESETS_MAX,
  RESETS_PER_S,
  SETTINGS_TIMEOUT_MS,
  STREAM_WINDOW_BYTES,
  WAITING_ANSWERS_BYTES_MAX,
} from "./limits.ts";
import { type RequestHead, requestHead, trailersProblem } from "./request-head.ts";
import type { Unread } from "./sender.ts";
import { DEFAULT_WINDOW_BYTES, encodeSettings } from "./settings.ts";
import { Http2Stream, type StreamListener } from "./stream.ts";

export interface ConnectionOptions<T> {
  readonly clock: Clock;
  /** Bound of the input of all connections of a server. */
  readonly turns?: InputTurns | undefined;
  /** Counts what all connections of a server keep back. */
  readonly unread?: Unread | undefined;
  /** Requests that may be under way at the same time. */
  readonly streams_max: number;
  /** The parsed head of a request; cached for requests with the same head. */
  readonly interpret: (head: RequestHead) => T;
  /** A request has started. */
  readonly onRequest: (stream: Http2Stream, request: T) => StreamListener;
  readonly onClose: () => void;
}

interface Fields<T> {
  readonly list: readonly HeaderField[] | undefined;
  readonly head: RequestHead;
  readonly request: T | undefined;
}

const TOO_LARGE: readonly HeaderField[] = [[":status", "431"]];

/** The server's end of one HTTP/2 connection, over a socket whose peer has chosen the protocol. */
export class Http2ServerConnection<T> extends Http2Endpoint {
  readonly #options: ConnectionOptions<T>;
  readonly #decoder: HpackDecoder<Fields<T>>;
  readonly #resets: TokenBucket;
  readonly #silence: Timer;
  #lastStreamId = 0;

  constructor(socket: Duplex, options: ConnectionOptions<T>) {
    const { clock, interpret, streams_max, turns, unread } = options;
    super(socket, clock, false, turns, unread);
    this.#options = options;
    this.#decoder = new HpackDecoder((list) => {
      const head = requestHead(list);
      const usable = head.problem === undefined && !head.tooLarge;
      return { list, head, request: usable ? interpret(head) : undefined };
    });
    this.#resets = new TokenBucket(clock, { capacity: RESETS_MAX, perSecond: RESETS_PER_S });
    const settings = encodeSettings({
      streams_max,
      windowBytes: STREAM_WINDOW_BYTES,
      headerListBytes_max: HEADER_LIST_BYTES_MAX,
    });
    this.sender.control(FRAME.SETTINGS, 0, settings);
    this.sender.openWindow(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
    this.#silence = clock.after(SETTINGS_TIMEOUT_MS, () => {
      if (!this.settled) socket.destroy();
    });
  }

  /** Takes no more requests; closes once those under way are answered. */
  drain(): void {
    if (this.closing || this.over) return;
    this.closing = true;
    this.sender.goAway(this.#lastStreamId, "NO_ERROR", "");
    this.endWhenIdle();
  }

  override answered(stream: Http2Stream): void {
    if (stream.closed) return;
    // The rest of the request is no longer needed (section 8.1).
    if (!stream.remoteClosed) this.sender.resetStream(stream.id, "NO_ERROR");
    this.forget(stream, stream.remoteClosed ? "ended" : "reset");
  }

  protected override get lastStreamId(): number {
    return this.#lastStreamId;
  }

  protected override isIdle(streamId: number): boolean {
    return streamId === 0 || streamId % 2 === 0 || streamId > this.#lastStreamId;
  }

  protected override onBlock({ streamId, endStream, selfDependent, bytes }: HeaderBlock): void {
    const fields = this.#decoder.decode(bytes);
    if (selfDependent) throw new Http2Error("PROTOCOL_ERROR", "depends on itself", streamId);
    const stream = this.streams.get(streamId);
    if (stream) return this.#onTrailers(stream, endStream, fields.list);
    if (streamId <= this.#lastStreamId) return this.lateBlock(streamId);
    this.#lastStreamId = streamId;
    if (this.closing || this.#isFull()) return this.failStream(streamId, "REFUSED_STREAM");
    const { problem, tooLarge, contentLength } = fields.head;
    if (problem !== undefined) throw new Http2Error("PROTOCOL_ERROR", problem, streamId);
    const opened = new Http2Stream(streamId, this, this.sender.settings.initialWindowBytes);
    opened.contentLength = contentLength;
    this.streams.set(streamId, opened);
    if (tooLarge) return opened.fields(TOO_LARGE, { end: true });
    opened.checkLength(endStream);
    assert(fields.request !== undefined, "a request without a head");
    opened.listener = this.#options.onRequest(opened, fields.request);
    if (endStream) this.remoteEnds(opened);
  }

  protected override onGoAway(): void {
    // A client that goes away opens no more streams; those under way are answered.
  }

  protected override onRemoteEnd(): void {
    // The stream lives on until it is answered.
  }

  protected override onOver(): void {
    this.#silence.cancel();
    this.#options.onClose();
  }

  protected override spendReset(): void {
    if (!this.#resets.take()) throw new Http2Error("ENHANCE_YOUR_CALM", "too many resets");
  }

  #isFull(): boolean {
    if (this.streams.size >= this.#options.streams_max) return true;
    return this.sender.waitingBytes > WAITING_ANSWERS_BYTES_MAX;
  }

  #onTrailers(stream: Http2Stream, ends: boolean, list: Fields<T>["list"]): void {
    const { id } = stream;
    if (stream.remoteClosed) throw new Http2Error("STREAM_CLOSED", "headers after the end", id);
    const problem = ends ? trailersProblem(list ?? []) : "a second head";
    if (problem !== undefined) throw new Http2Error("PROTOCOL_ERROR", problem, id);
    stream.checkLength(true);
    this.remoteEnds(stream);
  }
}
