const HEADER_BYTES = 12;
const POINTER = 0xc0;
/** Highest offset that a compression pointer can hold (14 bits). */
const POINTER_MAX = 0x3fff;
export const TYPE_SOA = 6;
export const TYPE_OPT = 41;

/** The offsets of one resource record in a message. */
export interface RecordSpan {
  start: number;
  /** Offset of the fields after the owner name: type, class, TTL, length. */
  fixed: number;
  end: number;
  type: number;
}

/** Returns the offset after a name. Throws RangeError if the message ends within it. */
function skipName(message: Buffer, at: number): number {
  for (;;) {
    const length = message.readUInt8(at);
    if (length === 0) return at + 1;
    if ((length & POINTER) === POINTER) return at + 2;
    at += length + 1;
  }
}

/** Returns the offset after the question section. */
export function questionsEnd(message: Buffer): number {
  let at = HEADER_BYTES;
  for (let left = message.readUInt16BE(4); left > 0; left--) at = skipName(message, at) + 4;
  return at;
}

/** Returns all records after the questions. Throws RangeError on an incomplete message. */
export function recordSpans(message: Buffer): RecordSpan[] {
  const count = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  const spans: RecordSpan[] = [];
  let start = questionsEnd(message);
  for (let left = count; left > 0; left--) {
    const fixed = skipName(message, start);
    const end = fixed + 10 + message.readUInt16BE(fixed + 8);
    if (end > message.length) throw new RangeError("a record is incomplete");
    spans.push({ start, fixed, end, type: message.readUInt16BE(fixed) });
    start = end;
  }
  return spans;
}

/**
 * Compresses owner names that occur earlier in the message into pointers (RFC 1035, 4.1.4), so that
 * more addresses of one name fit a datagram. The message must not contain pointers.
 */
export function compressOwners(message: Buffer): Buffer {
  const seen = new Map<string, number>();
  const parts: Buffer[] = [message.subarray(0, HEADER_BYTES)];
  let at = HEADER_BYTES;
  let written = HEADER_BYTES;
  const append = (bytes: Buffer) => {
    parts.push(bytes);
    written += bytes.length;
  };
  for (let left = message.readUInt16BE(4); left > 0; left--) {
    const end = skipName(message, at);
    seen.set(message.toString("latin1", at, end).toLowerCase(), written);
    append(message.subarray(at, end + 4));
    at = end + 4;
  }
  for (const { start, fixed, end } of recordSpans(message)) {
    const name = message.toString("latin1", start, fixed).toLowerCase();
    const earlier = seen.get(name);
    if (earlier !== undefined && fixed - start > 2) {
      append(Buffer.from([POINTER | (earlier >> 8), earlier & 0xff]));
    } else {
      if (written <= POINTER_MAX) seen.set(name, written);
      append(message.subarray(start, fixed));
    }
    append(message.subarray(fixed, end));
  }
  return Buffer.concat(parts);
}
