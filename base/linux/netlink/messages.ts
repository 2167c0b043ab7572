import { CodedError } from "@raft2kube/std/errors.ts";

const HEADER_BYTES = 16;

/**
 * The kernel refused a netlink request, or its answer cannot be read (EBADMSG); `code` is the
 * errno's name, the message holds the kernel's explanation.
 */
export class NetlinkError extends CodedError {}

/** One message of an answer: its header's fields, and its body. */
export type NetlinkMessage = { type: number; flags: number; sequence: number; body: Buffer };

/** The messages of one datagram, their bodies copied. EBADMSG when one is cut off. */
export function messagesOf(datagram: Buffer, doing: string): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > datagram.length) {
      throw new NetlinkError("EBADMSG", `${doing}: a message of the answer is cut off`);
    }
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      body: Buffer.from(datagram.subarray(at + HEADER_BYTES, at + length)),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** Decodes a message's body; EBADMSG when it is shorter than `decode` expects. */
export function decodeBody<T>(body: Buffer, doing: string, decode: (body: Buffer) => T): T {
  try {
    return decode(body);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    const what = `${doing}: a message of ${body.length} bytes is too short`;
    throw new NetlinkError("EBADMSG", what, { cause: thrown });
  }
}
