import { Message as WireMessage } from "@raft2kube/proto/gen/peer.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import {
  decodeMessage,
  encodeMessage,
  type StreamedMessage,
} from "@raft2kube/store/transport/codec.ts";

/**
 * The software a member runs: this one, or what a neighbouring release may look like on the wire
 * under the same peer protocol. The previous one has no shortcut in its refusals of appends, and
 * does not know that a hand-over can be asked of a follower. The next one adds fields, and a kind
 * of message, that this one does not know.
 */
export const RELEASES = ["previous", "this", "next"] as const;
export type Release = (typeof RELEASES)[number];

/** Field 100, a varint; and field 99, an empty message: neither is in this release's schema. */
const NEW_FIELD = Buffer.from([0xa0, 0x06, 0x01]);
const NEW_KIND = Buffer.from([0x9a, 0x06, 0x00]);

/**
 * A message as its receiver's release reads it; undefined for what one of the two does not know.
 * Between two of the same release nothing is lost.
 */
export function translate(message: Message, from: Release, to: Release): Message | undefined {
  if (from === to || message.kind === "snapshot") return message;
  const bytes = encodedBy(from, message);
  if (!bytes) return undefined;
  const read = decodeMessage(WireMessage.decode(bytes), message.from, message.to);
  return to === "previous" && read?.kind === "transfer" ? undefined : read;
}

/** Decodes a message kind that only a later release sends; this one must return undefined. */
export function unheardOf(from: bigint, to: bigint): Message | undefined {
  return decodeMessage(WireMessage.decode(NEW_KIND), from, to);
}

function encodedBy(release: Release, message: StreamedMessage): Buffer | undefined {
  const bytes = (said: StreamedMessage) => WireMessage.encode(encodeMessage(said));
  if (release === "next") return Buffer.concat([bytes(message), NEW_FIELD]);
  if (release === "this") return bytes(message);
  if (message.kind === "transfer") return undefined;
  if (message.kind !== "append-reply" || !message.reject) return bytes(message);
  return bytes({ ...message, hintIndex: Math.max(0, message.index - 1), hintTerm: 0 });
}
