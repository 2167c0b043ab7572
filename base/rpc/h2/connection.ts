import type { Duplex } from "node:stream";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  CONNECTION_WINDOW_BYTES,
  FIRST_BYTES_TIMEOUT_MS,
  HEADER_LIST_BYTES_MAX,
  IDLE_FRAMES_MAX,
  IDLE_FRAMES_PER_DATA,
  IDLE_FRAMES_PER_S,
  RESETS_MAX,
  RESETS_PER_S,
  STREAM_WINDOW_BYTES,
  WAITING_ANSWERS_BYTES_MAX,
} from "../limits.ts";
import { FLAG, FRAME, type H2ErrorName, Http2Error } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { type HeaderBlock, HeaderBlocks, parentStream, unpadded } from "./header-block.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import type { HeaderField } from "./hpack/static-table.ts";
import { RecentStreams } from "./recent-streams.ts";
import { type RequestHead, requestHead, trailersProblem } from "./request-head.ts";
import { FrameSender } from "./sender.ts";
import { DEFAULT_WINDOW_BYTES, WINDOW_BYTES_MAX, encodeSettings, readSettings } from "./settings.ts";
import { Http2Stream, type StreamListener } from "./stream.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface ConnectionOptions<T> {
  readonly clock: Clock;
  /** Requests that may be under way at once. */
  readonly streams_max: number;
  /** What the server makes of a request's head; kept for requests with the same head. */
  readonly interpret: (head: RequestHead) => T;
  /** A request has begun. */
  readonly onRequest: (stream: Http2Stream, request: T) => StreamListener;
  readonly onClose: () => void;
}

interface Fields<T> {
  readonly list: readonly HeaderField[] | undefined;
  readonly head: RequestHead;
  readonly request: T | undefined;
}

const TOO_LARGE: readonly HeaderField[] = [[":status", "431"]];

/**
 * The server's end of one HTTP/2 connection (RFC 9113), over a socket whose peer has chosen the
 * protocol. What the peer may make us hold or do is bounded everywhere: one that goes beyond is
 * told why and loses its stream or its connection.
 */
export class Http2Connection<T> {
  readonly socket: Duplex;
  readonly sender: FrameSender;
  readonly streams = new Map<number, Http2Stream>();
  readonly #options: ConnectionOptions<T>;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder<Fields<T>>;
  readonly #blocks = new HeaderBlocks();
  readonly #recent = new RecentStreams();
  readonly #resets: TokenBucket;
  readonly #idleFrames: TokenBucket;
  #lastStreamId = 0;
  #receiveWindow = CONNECTION_WINDOW_BYTES;
  /** Frames of data that the peer has been allowed idle frames for. */
  #rewarded = 0;
  #settled = false;
  #closing = false;
  #over = false;

  constructor(socket: Duplex, options: ConnectionOptions<T>) {
    const { clock, interpret, streams_max } = options;
    this.socket = socket;
    this.#options = options;
    this.sender = new FrameSender(socket, () => this.#giveUp());
    this.#reader = new FrameReader((...frame) => this.#onFrame(...frame));
    this.#decoder = new HpackDecoder((list) => {
      const head = requestHead(list);
      const usable = head.problem === undefined && !head.tooLarge;
      return { list, head, request: usable ? interpret(head) : undefined };
    });
    this.#resets = new TokenBucket(clock, { capacity: RESETS_MAX, perSecond: RESETS_PER_S });
    const rate = { capacity: IDLE_FRAMES_MAX, perSecond: IDLE_FRAMES_PER_S };
    this.#idleFrames = new TokenBucket(clock, rate);
    const settings = encodeSettings({
      streams_max,
      windowBytes: STREAM_WINDOW_BYTES,
      headerListBytes_max: HEADER_LIST_BYTES_MAX,
    });
    this.sender.control(FRAME.SETTINGS, 0, settings);
    this.sender.openWindow(0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
    const silence = clock.after(FIRST_BYTES_TIMEOUT_MS, () => {
      if (!this.#settled) socket.destroy();
    });
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      silence.cancel();
      this.#end();
    });
  }

  /** Takes no more requests; closes once those under way are answered. */
  drain(): void {
    if (this.#closing || this.#over) return;
    this.#closing = true;
    this.sender.goAway(this.#lastStreamId, "NO_ERROR", "");
    this.#endWhenIdle();
  }

  /** Part of Http2Stream's owner: the answer is complete. */
  answered(stream: Http2Stream): void {
    if (stream.closed) return;
    // The rest of the request is of no use any more (section 8.1).
    if (!stream.remoteClosed) this.sender.resetStream(stream.id, "NO_ERROR");
    this.#forget(stream, stream.remoteClosed ? "ended" : "reset");
  }

  /** Part of Http2Stream's owner. */
  reset(stream: Http2Stream, reason: H2ErrorName): void {
    if (stream.closed) return;
    this.sender.resetStream(stream.id, reason);
    this.#forget(stream, "reset");
    stream.listener?.onAborted();
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#reader.push(chunk);
    } catch (thrown) {
      if (!(thrown instanceof Http2Error)) throw thrown;
      this.#fail(thrown);
    }
  }

  #fail({ reason, message }: Http2Error): void {
    this.sender.goAway(this.#lastStreamId, reason, message);
    this.sender.flush();
    this.#end();
    this.socket.end();
    // A peer that goes on sending must not keep the socket open.
    this.#options.clock.after(FIRST_BYTES_TIMEOUT_MS, () => this.socket.destroy());
  }

  /** The peer leaves too much unread: nothing more can be said to it. */
  #giveUp(): void {
    this.#end();
    this.socket.destroy();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const stream of this.streams.values()) {
      stream.abandon();
      stream.listener?.onAborted();
    }
    this.streams.clear();
    this.#options.onClose();
  }

  #forget(stream: Http2Stream, how: "ended" | "reset"): void {
    this.streams.delete(stream.id);
    this.#recent.add(stream.id, how);
    stream.abandon();
    if (this.#closing) this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    if (this.streams.size > 0) return;
    this.sender.flush();
    this.socket.end();
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (this.#over) return;
    if (!this.#settled && (type !== FRAME.SETTINGS || flags & FLAG.ACK)) {
      throw new Http2Error("PROTOCOL_ERROR", "the first frame is not SETTINGS");
    }
    if (this.#blocks.isOpen && type !== FRAME.CONTINUATION) {
      throw new Http2Error("PROTOCOL_ERROR", "a frame between the parts of a header block");
    }
    try {
      this.#dispatch(type, flags, streamId, payload);
    } catch (thrown) {
      if (!(thrown instanceof Http2Error) || thrown.streamId === undefined) throw thrown;
      this.#failStream(thrown.streamId, thrown.reason);
    }
  }

  #failStream(streamId: number, reason: H2ErrorName): void {
    // A peer that provokes errors makes us work as much as one that resets (CVE-2025-8671).
    this.#spendReset();
    const stream = this.streams.get(streamId);
    if (stream) return this.reset(stream, reason);
    this.sender.resetStream(streamId, reason);
    this.#recent.add(streamId, "reset");
  }

  #dispatch(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case FRAME.DATA:
        return this.#onData(flags, streamId, payload);
      case FRAME.HEADERS:
        if (streamId % 2 === 0) throw new Http2Error("PROTOCOL_ERROR", "headers on an even stream");
        return this.#onBlock(this.#blocks.begin(flags, streamId, payload));
      case FRAME.CONTINUATION:
        return this.#onBlock(this.#blocks.continue(flags, streamId, payload));
      case FRAME.WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, payload);
      case FRAME.RST_STREAM:
        return this.#onReset(streamId, payload);
      case FRAME.PUSH_PROMISE:
        throw new Http2Error("PROTOCOL_ERROR", "a push from a client");
    }
    this.#spendIdleFrame();
    if (type === FRAME.SETTINGS) this.#onSettings(flags, streamId, payload);
    else if (type === FRAME.PING) this.#onPing(flags, streamId, payload);
    else if (type === FRAME.PRIORITY) onPriority(streamId, payload);
    else if (type === FRAME.GOAWAY) ofConnection(streamId, "GOAWAY");
    // Frames of other types are passed over (section 5.5).
  }

  #onData(flags: number, streamId: number, payload: Buffer): void {
    const stream = this.streams.get(streamId);
    if (!stream && this.#isIdle(streamId)) {
      throw new Http2Error("PROTOCOL_ERROR", "data on an idle stream");
    }
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) throw new Http2Error("FLOW_CONTROL_ERROR", "more than the window");
    // Streams hold back their own senders; all of them together are bounded by the server.
    if (this.#receiveWindow < CONNECTION_WINDOW_BYTES / 2) {
      this.sender.openWindow(0, CONNECTION_WINDOW_BYTES - this.#receiveWindow);
      this.#receiveWindow = CONNECTION_WINDOW_BYTES;
    }
    if (payload.length === 0) this.#spendIdleFrame();
    const bytes = unpadded(payload, flags);
    if (!stream || stream.remoteClosed) return this.#lateFrame(streamId, "data");
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) {
      throw new Http2Error("FLOW_CONTROL_ERROR", "more than the stream's window", streamId);
    }
    stream.receivedBytes += bytes.length;
    if (payload.length > bytes.length) stream.consumed(payload.length - bytes.length);
    const ends = (flags & FLAG.END_STREAM) !== 0;
    stream.checkLength(ends);
    if (bytes.length > 0) stream.listener?.onData(bytes);
    if (ends) this.#requestEnds(stream);
  }

  #requestEnds(stream: Http2Stream): void {
    if (stream.closed) return;
    stream.remoteClosed = true;
    stream.listener?.onEnd();
  }

  /** A frame for a stream that is over: passed over when we ended it (section 5.1). */
  #lateFrame(streamId: number, what: string): void {
    if (this.#recent.look(streamId) === "reset") return this.#spendIdleFrame();
    throw new Http2Error("STREAM_CLOSED", `${what} on a closed stream`, streamId);
  }

  #onBlock(block: HeaderBlock | undefined): void {
    if (!block) return;
    const { streamId, endStream, selfDependent } = block;
    const fields = this.#decoder.decode(block.bytes);
    if (selfDependent) throw new Http2Error("PROTOCOL_ERROR", "depends on itself", streamId);
    const stream = this.streams.get(streamId);
    if (stream) return this.#onTrailers(stream, endStream, fields.list);
    if (streamId <= this.#lastStreamId) return this.#onLateBlock(streamId);
    this.#lastStreamId = streamId;
    if (this.#closing || this.#isFull()) return this.#failStream(streamId, "REFUSED_STREAM");
    const { problem, tooLarge, contentLength } = fields.head;
    if (problem !== undefined) throw new Http2Error("PROTOCOL_ERROR", problem, streamId);
    const opened = new Http2Stream(streamId, this, this.sender.settings.initialWindowBytes);
    opened.contentLength = contentLength;
    this.streams.set(streamId, opened);
    if (tooLarge) return opened.fields(TOO_LARGE, { end: true });
    opened.checkLength(endStream);
    assert(fields.request !== undefined, "a request without a head");
    opened.listener = this.#options.onRequest(opened, fields.request);
    if (endStream) this.#requestEnds(opened);
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
    this.#requestEnds(stream);
  }

  #onLateBlock(streamId: number): void {
    const ended = this.#recent.look(streamId);
    if (ended === "reset") return this.#spendIdleFrame();
    const reason = ended ? "STREAM_CLOSED" : "PROTOCOL_ERROR";
    throw new Http2Error(reason, "headers on a stream that is over");
  }

  #onReset(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new Http2Error("FRAME_SIZE_ERROR", "RST_STREAM");
    if (this.#isIdle(streamId)) throw new Http2Error("PROTOCOL_ERROR", "reset of an idle stream");
    const stream = this.streams.get(streamId);
    if (!stream) return this.#spendIdleFrame();
    this.#spendReset();
    this.#forget(stream, "ended");
    stream.listener?.onAborted();
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new Http2Error("FRAME_SIZE_ERROR", "WINDOW_UPDATE");
    this.#spendIdleFrame();
    const bytes = payload.readUInt32BE(0) & WINDOW_BYTES_MAX;
    if (streamId === 0) {
      if (bytes === 0) throw new Http2Error("PROTOCOL_ERROR", "a window opened by nothing");
      this.sender.window += bytes;
      if (this.sender.window > WINDOW_BYTES_MAX) {
        throw new Http2Error("FLOW_CONTROL_ERROR", "a window that is too large");
      }
      return this.sender.pumpAll();
    }
    if (this.#isIdle(streamId)) throw new Http2Error("PROTOCOL_ERROR", "window of an idle stream");
    if (bytes === 0) throw new Http2Error("PROTOCOL_ERROR", "opened by nothing", streamId);
    const stream = this.streams.get(streamId);
    if (!stream) return;
    stream.sendWindow += bytes;
    if (stream.sendWindow > WINDOW_BYTES_MAX) {
      throw new Http2Error("FLOW_CONTROL_ERROR", "a window that is too large", streamId);
    }
    stream.pump();
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    ofConnection(streamId, "SETTINGS");
    if (flags & FLAG.ACK) {
      if (payload.length > 0) throw new Http2Error("FRAME_SIZE_ERROR", "an answer with settings");
      return;
    }
    this.#settled = true;
    const { settings } = this.sender;
    const before = settings.initialWindowBytes;
    readSettings(payload, settings);
    this.sender.takeSettings();
    const change = settings.initialWindowBytes - before;
    if (change === 0) return;
    for (const stream of this.streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > WINDOW_BYTES_MAX) {
        throw new Http2Error("FLOW_CONTROL_ERROR", "a window that is too large");
      }
    }
    this.sender.pumpAll();
  }

  #onPing(flags: number, streamId: number, payload: Buffer): void {
    ofConnection(streamId, "PING");
    if (payload.length !== 8) throw new Http2Error("FRAME_SIZE_ERROR", "PING");
    if (!(flags & FLAG.ACK)) this.sender.answerPing(payload);
  }

  #isIdle(streamId: number): boolean {
    return streamId === 0 || streamId % 2 === 0 || streamId > this.#lastStreamId;
  }

  #spendReset(): void {
    if (!this.#resets.take()) throw new Http2Error("ENHANCE_YOUR_CALM", "too many resets");
  }

  #spendIdleFrame(): void {
    if (this.#idleFrames.take()) return;
    // Who takes much from us has windows to open and may well look how far away we are.
    this.#idleFrames.give((this.sender.dataFrames - this.#rewarded) * IDLE_FRAMES_PER_DATA);
    this.#rewarded = this.sender.dataFrames;
    if (this.#idleFrames.take()) return;
    throw new Http2Error("ENHANCE_YOUR_CALM", "too many frames that carry nothing");
  }
}

/** Section 5.3.1. Priorities themselves are not used, as RFC 9113 has it. */
function onPriority(streamId: number, payload: Buffer): void {
  if (streamId === 0) throw new Http2Error("PROTOCOL_ERROR", "PRIORITY of the connection");
  if (payload.length !== 5) throw new Http2Error("FRAME_SIZE_ERROR", "PRIORITY", streamId);
  if (parentStream(payload) !== streamId) return;
  throw new Http2Error("PROTOCOL_ERROR", "a stream that depends on itself", streamId);
}

function ofConnection(streamId: number, name: string): void {
  if (streamId !== 0) throw new Http2Error("PROTOCOL_ERROR", `${name} on a stream`);
}
