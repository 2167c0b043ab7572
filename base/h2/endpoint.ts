import type { Duplex } from "node:stream";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { TokenBucket } from "@raft2kube/std/token-bucket.ts";
import { FLAG, FRAME, H2_ERROR, type H2ErrorName, Http2Error } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { type HeaderBlock, HeaderBlocks, parentStream, unpadded } from "./header-block.ts";
import {
  CONNECTION_WINDOW_BYTES,
  IDLE_FRAMES_MAX,
  IDLE_FRAMES_PER_DATA,
  IDLE_FRAMES_PER_S,
  SETTINGS_TIMEOUT_MS,
} from "./limits.ts";
import { RecentStreams } from "./recent-streams.ts";
import { FrameSender, type Unread } from "./sender.ts";
import { readSettings, WINDOW_BYTES_MAX } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";

/**
 * One end of an HTTP/2 connection (RFC 9113): the common part of servers and clients. All resources
 * of a peer are bounded: a peer that exceeds a bound gets an error code and loses its stream or its
 * connection.
 */
export abstract class Http2Endpoint {
  readonly socket: Duplex;
  readonly sender: FrameSender;
  readonly streams = new Map<number, Http2Stream>();
  protected readonly clock: Clock;
  protected readonly recent = new RecentStreams();
  /** The peer's settings have come. */
  protected settled = false;
  /** No more streams start. */
  protected closing = false;
  protected over = false;
  readonly #reader: FrameReader;
  readonly #blocks = new HeaderBlocks();
  readonly #idleFrames: TokenBucket;
  /** Frames of data that the peer has been allowed idle frames for. */
  #rewarded = 0;
  #lingering: Timer | undefined;
  #receiveWindow = CONNECTION_WINDOW_BYTES;

  /**
   * `prefaced` is false where the peer sends the preface first: at a server. With `turns`, its
   * input takes turns with that of other connections; `unread` counts what they all keep back.
   */
  constructor(
    socket: Duplex,
    clock: Clock,
    prefaced: boolean,
    turns?: InputTurns,
    unread: Unread = { bytes: 0 },
  ) {
    this.socket = socket;
    this.clock = clock;
    const rate = { capacity: IDLE_FRAMES_MAX, perSecond: IDLE_FRAMES_PER_S };
    this.#idleFrames = new TokenBucket(clock, rate);
    this.sender = new FrameSender(socket, unread, () => this.#giveUp());
    this.#reader = new FrameReader((...frame) => this.#onFrame(...frame), prefaced);
    socket.on("data", (chunk: Buffer) => {
      if (turns) turns.receive(socket, () => this.#receive(chunk));
      else this.#receive(chunk);
    });
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      this.#lingering?.cancel();
      this.#end();
    });
  }

  /** A stream's header fields are whole. */
  protected abstract onBlock(block: HeaderBlock): void;
  protected abstract onGoAway(payload: Buffer): void;
  /** No stream of that id has started. */
  protected abstract isIdle(streamId: number): boolean;
  /** The newest stream that the peer has started. */
  protected abstract get lastStreamId(): number;
  /** The peer has sent all of a stream. */
  protected abstract onRemoteEnd(stream: Http2Stream): void;
  /** The connection is over. */
  protected abstract onOver(): void;
  /** The peer has made us reset a stream. */
  protected spendReset(): void {}

  /** The peer has sent a frame that carries nothing. */
  protected spendIdleFrame(): void {
    if (this.#idleFrames.take()) return;
    // A peer that receives much data sends WINDOW_UPDATE and may measure the round trip by PING.
    this.#idleFrames.give((this.sender.dataFrames - this.#rewarded) * IDLE_FRAMES_PER_DATA);
    this.#rewarded = this.sender.dataFrames;
    if (this.#idleFrames.take()) return;
    throw new Http2Error("ENHANCE_YOUR_CALM", "too many frames that carry nothing");
  }

  /** Part of Http2Stream's owner: all of our side is sent. */
  abstract answered(stream: Http2Stream): void;

  /** Part of Http2Stream's owner. */
  reset(stream: Http2Stream, reason: H2ErrorName): void {
    if (stream.closed) return;
    this.sender.resetStream(stream.id, reason);
    this.forget(stream, "reset");
    stream.listener?.onAborted(H2_ERROR[reason]);
  }

  protected forget(stream: Http2Stream, how: "ended" | "reset"): void {
    this.streams.delete(stream.id);
    this.recent.add(stream.id, how);
    stream.abandon();
    if (this.closing) this.endWhenIdle();
  }

  protected endWhenIdle(): void {
    if (this.streams.size > 0) return;
    this.sender.flush();
    this.socket.end();
    // A peer that does not end its side must not keep the socket open.
    this.#lingering ??= this.clock.after(SETTINGS_TIMEOUT_MS, () => this.socket.destroy());
  }

  protected failStream(streamId: number, reason: H2ErrorName): void {
    // A peer that provokes errors makes us work as much as one that resets (CVE-2025-8671).
    this.spendReset();
    const stream = this.streams.get(streamId);
    if (stream) return this.reset(stream, reason);
    this.sender.resetStream(streamId, reason);
    this.recent.add(streamId, "reset");
  }

  protected remoteEnds(stream: Http2Stream): void {
    if (stream.closed) return;
    stream.remoteClosed = true;
    stream.listener?.onEnd();
    this.onRemoteEnd(stream);
  }

  /** Header fields for a stream that is over. */
  protected lateBlock(streamId: number): void {
    const ended = this.recent.look(streamId);
    if (ended === "reset") return this.spendIdleFrame();
    const reason = ended ? "STREAM_CLOSED" : "PROTOCOL_ERROR";
    throw new Http2Error(reason, "headers on a stream that is over");
  }

  /** Takes every chunk: streams hold their senders back by their windows. */
  #receive(chunk: Buffer): true {
    if (this.over) return true;
    try {
      this.#reader.push(chunk);
    } catch (thrown) {
      if (!(thrown instanceof Http2Error)) throw thrown;
      this.#fail(thrown);
    }
    return true;
  }

  #fail({ reason, message }: Http2Error): void {
    this.sender.goAway(this.lastStreamId, reason, message);
    this.sender.flush();
    this.#end();
    this.socket.end();
    // A peer that keeps sending must not keep the socket open.
    this.clock.after(SETTINGS_TIMEOUT_MS, () => this.socket.destroy());
  }

  /** The peer leaves too much unread: no further frame can reach it. */
  #giveUp(): void {
    this.#end();
    this.socket.destroy();
  }

  #end(): void {
    if (this.over) return;
    this.over = true;
    for (const stream of this.streams.values()) {
      stream.abandon();
      stream.listener?.onAborted();
    }
    this.streams.clear();
    this.onOver();
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (this.over) return;
    if (!this.settled && (type !== FRAME.SETTINGS || flags & FLAG.ACK)) {
      throw new Http2Error("PROTOCOL_ERROR", "the first frame is not SETTINGS");
    }
    if (this.#blocks.isOpen && type !== FRAME.CONTINUATION) {
      throw new Http2Error("PROTOCOL_ERROR", "a frame between the parts of a header block");
    }
    try {
      this.#dispatch(type, flags, streamId, payload);
    } catch (thrown) {
      if (!(thrown instanceof Http2Error) || thrown.streamId === undefined) throw thrown;
      this.failStream(thrown.streamId, thrown.reason);
    }
  }

  #dispatch(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case FRAME.DATA:
        return this.#onData(flags, streamId, payload);
      case FRAME.HEADERS:
        if (streamId % 2 === 0) throw new Http2Error("PROTOCOL_ERROR", "headers on an even stream");
        return this.#onHeaders(this.#blocks.begin(flags, streamId, payload));
      case FRAME.CONTINUATION:
        return this.#onHeaders(this.#blocks.continue(flags, streamId, payload));
      case FRAME.WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, payload);
      case FRAME.RST_STREAM:
        return this.#onReset(streamId, payload);
      case FRAME.PUSH_PROMISE:
        // Clients cannot push, and ours ask servers not to.
        throw new Http2Error("PROTOCOL_ERROR", "a push");
    }
    this.spendIdleFrame();
    if (type === FRAME.SETTINGS) this.#onSettings(flags, streamId, payload);
    else if (type === FRAME.PING) this.#onPing(flags, streamId, payload);
    else if (type === FRAME.PRIORITY) onPriority(streamId, payload);
    else if (type === FRAME.GOAWAY) {
      ofConnection(streamId, "GOAWAY");
      this.onGoAway(payload);
    }
    // Frames of other types are passed over (section 5.5).
  }

  #onHeaders(block: HeaderBlock | undefined): void {
    if (block) this.onBlock(block);
  }

  #onData(flags: number, streamId: number, payload: Buffer): void {
    const stream = this.streams.get(streamId);
    if (!stream && this.isIdle(streamId)) {
      throw new Http2Error("PROTOCOL_ERROR", "data on an idle stream");
    }
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) throw new Http2Error("FLOW_CONTROL_ERROR", "more than the window");
    // Streams hold back their own senders; all of them together are bounded by the server.
    if (this.#receiveWindow < CONNECTION_WINDOW_BYTES / 2) {
      this.sender.openWindow(0, CONNECTION_WINDOW_BYTES - this.#receiveWindow);
      this.#receiveWindow = CONNECTION_WINDOW_BYTES;
    }
    const bytes = unpadded(payload, flags);
    if (bytes.length === 0) this.spendIdleFrame();
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
    if (ends) this.remoteEnds(stream);
  }

  /** A frame for a stream that is over: passed over when we ended it (section 5.1). */
  #lateFrame(streamId: number, what: string): void {
    if (this.recent.look(streamId) === "reset") return this.spendIdleFrame();
    throw new Http2Error("STREAM_CLOSED", `${what} on a closed stream`, streamId);
  }

  #onReset(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new Http2Error("FRAME_SIZE_ERROR", "RST_STREAM");
    if (this.isIdle(streamId)) throw new Http2Error("PROTOCOL_ERROR", "reset of an idle stream");
    const stream = this.streams.get(streamId);
    if (!stream) return this.spendIdleFrame();
    this.spendReset();
    this.forget(stream, "ended");
    stream.listener?.onAborted(payload.readUInt32BE(0));
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new Http2Error("FRAME_SIZE_ERROR", "WINDOW_UPDATE");
    this.spendIdleFrame();
    const bytes = payload.readUInt32BE(0) & WINDOW_BYTES_MAX;
    if (streamId === 0) {
      if (bytes === 0) throw new Http2Error("PROTOCOL_ERROR", "a window opened by nothing");
      this.sender.window += bytes;
      if (this.sender.window > WINDOW_BYTES_MAX) {
        throw new Http2Error("FLOW_CONTROL_ERROR", "a window that is too large");
      }
      return this.sender.pumpAll();
    }
    if (this.isIdle(streamId)) throw new Http2Error("PROTOCOL_ERROR", "window of an idle stream");
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
    const { settings } = this.sender;
    const before = settings.initialWindowBytes;
    readSettings(payload, settings);
    this.sender.takeSettings();
    this.settled = true;
    const change = settings.initialWindowBytes - before;
    if (change !== 0) this.#changeWindows(change);
    this.onSettled();
  }

  /** The peer's settings hold, the first or later ones. */
  protected onSettled(): void {}

  #changeWindows(change: number): void {
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
