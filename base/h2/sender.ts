import type { Duplex } from "node:stream";
import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import {
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  H2_ERROR,
  type H2ErrorName,
  writeFrameHeader,
} from "./frame.ts";
import { HpackEncoder } from "./hpack/encoder.ts";
import type { HeaderField } from "./hpack/static-table.ts";
import { FRAME_BYTES_MAX, UNREAD_BYTES_MAX } from "./limits.ts";
import { DEFAULT_WINDOW_BYTES, defaultPeerSettings, type PeerSettings } from "./settings.ts";

/** One thing that a stream has to send. Fields are encoded when they leave: the table moves on. */
export type Outgoing =
  | {
      readonly kind: "fields";
      readonly fields: readonly HeaderField[];
      /** The same list is sent again and again. */
      readonly constant: boolean;
      readonly end: boolean;
    }
  | { readonly kind: "data"; bytes: Buffer; readonly end: boolean };

/** A stream, as far as sending goes. */
export interface SendingStream {
  readonly id: number;
  sendWindow: number;
  /** Continues with what waits, up to `frames_max` frames. */
  pump(frames_max: number): void;
}

/** Counts what all connections of a server keep back for peers that do not read. */
export type Unread = { bytes: number };

const SCRATCH_BYTES = 4 * 1024;
/** Larger scratch buffers are not kept between flushes. */
const SCRATCH_BYTES_KEPT = 64 * 1024;
/** Frames with data that leave in one turn of the loop, and up to a frame more. */
const FLUSH_BYTES = 256 * 1024;
/** Frames that one of several waiting streams sends before it is the next one's turn. */
const FRAMES_A_TURN = 4;

/**
 * The sending half of a connection. Frames are gathered and leave in one write when the turn of the
 * loop is over. While the socket is full, streams keep what they have; frames about the connection
 * are still accepted, up to a bound.
 */
export class FrameSender {
  readonly #socket: Duplex;
  readonly #onUnread: () => void;
  readonly #unread: Unread;
  readonly #encoder = new HpackEncoder();
  readonly settings: PeerSettings = defaultPeerSettings();
  /** The peer's window for all streams together. */
  window = DEFAULT_WINDOW_BYTES;
  #waitingBytes = 0;
  /** Bytes that streams kept back, and the peer has taken since. */
  takenBytes = 0;
  /** Frames with data sent so far. */
  dataFrames = 0;
  readonly #waiting = new Set<SendingStream>();
  #scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  #used = 0;
  #blocked = false;
  #flushScheduled = false;
  readonly #flushLater = () => {
    this.#flushScheduled = false;
    this.flush();
  };

  /** `onUnread` is called when the peer has left too much unread. */
  constructor(socket: Duplex, unread: Unread, onUnread: () => void) {
    this.#socket = socket;
    this.#unread = unread;
    this.#onUnread = onUnread;
    socket.on("drain", () => this.#continue());
  }

  /** Sends what a stream has; false when it, or the rest of it, must wait. */
  send(stream: SendingStream, item: Outgoing): boolean {
    if (this.#blocked) return false;
    if (item.kind === "data") return this.#data(stream, item);
    const { fields, constant, end } = item;
    const block = constant ? this.#encoder.constant(fields) : this.#encoder.encode(fields);
    this.#headers(stream.id, block, end);
    return true;
  }

  /**
   * Sends the head of a request immediately, even while the socket is full: streams must start in
   * the order of their ids.
   */
  head(streamId: number, fields: readonly HeaderField[], constant: boolean): void {
    const block = constant ? this.#encoder.constant(fields) : this.#encoder.encode(fields);
    this.#headers(streamId, block, false);
  }

  /** Bytes that streams keep back. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** A stream keeps back so much more, or less. */
  keepBack(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#unread.bytes += bytes;
  }

  wait(stream: SendingStream): void {
    this.#waiting.add(stream);
  }

  stopWaiting(stream: SendingStream): void {
    this.#waiting.delete(stream);
  }

  /** A window or the socket has room again: the waiting streams continue in turn. */
  pumpAll(): void {
    let before: number;
    do {
      before = this.dataFrames;
      // A stream that still has to wait goes to the end of the line.
      for (const stream of [...this.#waiting]) {
        if (this.#blocked) return;
        this.#waiting.delete(stream);
        stream.pump(FRAMES_A_TURN);
      }
    } while (this.dataFrames > before && this.window > 0 && this.#waiting.size > 0);
  }

  /** The peer's new settings, already read into `settings`, hold from here on. */
  takeSettings(): void {
    this.#encoder.setTableSize(this.settings.headerTableBytes);
    this.control(FRAME.SETTINGS, 0);
    this.#scratch[this.#used - FRAME_HEADER_BYTES + 4] = FLAG.ACK;
  }

  resetStream(streamId: number, reason: H2ErrorName): void {
    this.control(FRAME.RST_STREAM, streamId, u32(H2_ERROR[reason]));
  }

  openWindow(streamId: number, bytes: number): void {
    this.control(FRAME.WINDOW_UPDATE, streamId, u32(bytes));
  }

  answerPing(payload: Buffer): void {
    const at = this.#reserve(FRAME_HEADER_BYTES + payload.length);
    const header = { length: payload.length, type: FRAME.PING, flags: FLAG.ACK, streamId: 0 };
    payload.copy(this.#scratch, writeFrameHeader(this.#scratch, at, header));
  }

  goAway(lastStreamId: number, reason: H2ErrorName, text: string): void {
    const ids = Buffer.concat([u32(lastStreamId), u32(H2_ERROR[reason])]);
    this.control(FRAME.GOAWAY, 0, Buffer.concat([ids, Buffer.from(text)]));
  }

  /** A frame without flags about the connection or a stream. */
  control(type: number, streamId: number, payload: Buffer = NO_BYTES): void {
    const at = this.#reserve(FRAME_HEADER_BYTES + payload.length);
    const header = { length: payload.length, type, flags: 0, streamId };
    payload.copy(this.#scratch, writeFrameHeader(this.#scratch, at, header));
  }

  /** Hands everything to the socket. */
  flush(): void {
    if (this.#used === 0 || this.#socket.destroyed) return;
    const bytes = Buffer.allocUnsafe(this.#used);
    this.#scratch.copy(bytes, 0, 0, this.#used);
    this.#used = 0;
    if (this.#scratch.length > SCRATCH_BYTES_KEPT) {
      this.#scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
    }
    if (!this.#socket.write(bytes)) this.#blocked = true;
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.#onUnread();
  }

  /** Sends no more data in this turn of the loop, though the socket takes everything. */
  #pause(): void {
    if (this.#blocked) return;
    this.#blocked = true;
    setImmediate(() => {
      // A frame about the connection may have filled the socket meanwhile: `drain` follows.
      if (!this.#socket.writableNeedDrain) this.#continue();
    });
  }

  #continue(): void {
    this.#blocked = false;
    this.pumpAll();
  }

  #headers(streamId: number, block: Buffer, end: boolean): void {
    for (let from = 0; from === 0 || from < block.length; from += FRAME_BYTES_MAX) {
      const length = Math.min(FRAME_BYTES_MAX, block.length - from);
      const last = from + length === block.length;
      const type = from === 0 ? FRAME.HEADERS : FRAME.CONTINUATION;
      const endFlag = end && from === 0 ? FLAG.END_STREAM : 0;
      const flags = (last ? FLAG.END_HEADERS : 0) | endFlag;
      const at = this.#reserve(FRAME_HEADER_BYTES + length);
      const body = writeFrameHeader(this.#scratch, at, { length, type, flags, streamId });
      block.copy(this.#scratch, body, from, from + length);
    }
  }

  #data(stream: SendingStream, item: Outgoing & { kind: "data" }): boolean {
    for (;;) {
      const { bytes, end } = item;
      const allowed = Math.min(this.window, stream.sendWindow, FRAME_BYTES_MAX);
      if (bytes.length > 0 && (allowed <= 0 || this.#blocked)) return false;
      // A setting can leave a window below zero; an empty frame needs none.
      const length = Math.max(0, Math.min(bytes.length, allowed));
      const last = length === bytes.length;
      const at = this.#reserve(FRAME_HEADER_BYTES + length);
      const flags = last && end ? FLAG.END_STREAM : 0;
      const header = { length, type: FRAME.DATA, flags, streamId: stream.id };
      bytes.copy(this.#scratch, writeFrameHeader(this.#scratch, at, header), 0, length);
      this.dataFrames++;
      this.window -= length;
      stream.sendWindow -= length;
      // However many streams send in one turn: the rest waits in them.
      if (this.#used >= FLUSH_BYTES) {
        this.flush();
        this.#pause();
      }
      if (last) return true;
      item.bytes = bytes.subarray(length);
    }
  }

  /** Room for `bytes` in the scratch buffer, which leaves when the turn of the loop is over. */
  #reserve(bytes: number): number {
    const at = this.#used;
    if (at + bytes > this.#scratch.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#scratch.length * 2, at + bytes));
      this.#scratch.copy(larger, 0, 0, at);
      this.#scratch = larger;
    }
    this.#used = at + bytes;
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(this.#flushLater);
    }
    return at;
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
