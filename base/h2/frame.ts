import { CodedError } from "@raft2kube/std/errors.ts";

/** The client's connection preface (RFC 9113, section 3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Length u24, type u8, flags u8, stream u31 (section 4.1). */
export const FRAME_HEADER_BYTES = 9;

/** Section 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAG = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Section 7. */
export const H2_ERROR = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

export type H2ErrorName = keyof typeof H2_ERROR;

/** The peer broke a rule of the protocol: on one stream, or for the whole connection. */
export class Http2Error extends CodedError {
  readonly reason: H2ErrorName;
  /** The stream that ends; without one the connection ends. */
  readonly streamId: number | undefined;

  constructor(reason: H2ErrorName, message: string, streamId?: number) {
    super(`HTTP2_${reason}`, message);
    this.reason = reason;
    this.streamId = streamId;
  }
}

/** Writes a frame's header into `target`; returns the offset after it. */
export function writeFrameHeader(
  target: Buffer,
  offset: number,
  frame: { length: number; type: number; flags: number; streamId: number },
): number {
  const { length, type, flags, streamId } = frame;
  target[offset] = length >>> 16;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length;
  target[offset + 3] = type;
  target[offset + 4] = flags;
  target.writeUInt32BE(streamId, offset + 5);
  return offset + FRAME_HEADER_BYTES;
}
