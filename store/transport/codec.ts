import type { Init } from "@raft2kube/proto/codec.ts";
import type { Append, Propose, Message as WireMessage } from "@raft2kube/proto/gen/peer.ts";
import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Message } from "../core/message.ts";
import type { Entry, MemberId } from "../core/types.ts";
import { Slabs } from "../structures/slabs.ts";
import { decodeChange, encodeChange } from "../wal/change.ts";

/** The wire's field of each kind of message; a snapshot travels on a stream of its own. */
const FIELDS = {
  vote: "vote",
  "vote-reply": "voteReply",
  append: "append",
  "append-reply": "appendReply",
  heartbeat: "heartbeat",
  "heartbeat-reply": "heartbeatReply",
  propose: "propose",
  read: "read",
  "read-reply": "readReply",
  transfer: "transfer",
  "timeout-now": "timeoutNow",
} as const;

export type StreamedMessage = Exclude<Message, { kind: "snapshot" }>;

const KINDS = Object.keys(FIELDS) as StreamedMessage["kind"][];

/** A message of another member that no member sends: the stream it came by ends. */
export class PeerMessageError extends CodedError {
  constructor(kind: string, what: string) {
    super("PEER_MESSAGE", `${kind}: ${what}`, {
      remedy: "look whether the member runs another release, and what lies between the two",
    });
  }
}

/** A message of the core as it travels. Fields have the same names on both sides. */
export function encodeMessage(message: StreamedMessage): Init<WireMessage> {
  const { term } = message;
  if (message.kind === "append") return { term, append: encodeAppend(message) };
  if (message.kind === "propose") return { term, propose: encodePropose(message) };
  return { term, [FIELDS[message.kind]]: message };
}

/**
 * The core's message; undefined for a kind that a later release has added. Throws PeerMessageError
 * for one that contradicts itself.
 */
export function decodeMessage(
  wire: WireMessage,
  from: MemberId,
  to: MemberId,
): StreamedMessage | undefined {
  const kind = KINDS.find((each) => wire[FIELDS[each]] !== undefined);
  if (!kind) return undefined;
  const envelope = { kind, from, to, term: wire.term };
  if (wire.append) return { ...envelope, ...decodeAppend(wire.append), kind: "append" };
  if (wire.propose) return { ...envelope, ...decodePropose(wire.propose), kind: "propose" };
  return { ...envelope, ...wire[FIELDS[kind]] } as StreamedMessage;
}

/** How much of a queue's bound a message takes. */
export function messageBytes(message: StreamedMessage): number {
  let bytes = MESSAGE_OVERHEAD_BYTES;
  if (message.kind === "append") {
    for (const { data } of message.entries) bytes += data.length + ENTRY_OVERHEAD_BYTES;
  } else if (message.kind === "propose") {
    for (const command of message.data) bytes += command.length;
  }
  return bytes;
}

const MESSAGE_OVERHEAD_BYTES = 64;
const ENTRY_OVERHEAD_BYTES = 32;

function encodeAppend(message: Extract<Message, { kind: "append" }>): Init<Append> {
  const { prevIndex, prevTerm, commit } = message;
  const entries = message.entries.map(({ index, term, data, change }) => ({
    index,
    term,
    data,
    change: change ? encodeChange(change) : NO_BYTES,
  }));
  return { prevIndex, prevTerm, commit, entries };
}

/** The log keeps entries: as views of received buffers they would keep all of these in memory. */
const ENTRIES = new Slabs();

function decodeAppend(append: Append) {
  const entries: Entry[] = append.entries.map(({ index, term, data, change }) => ({
    index,
    term,
    data: ENTRIES.copy(data),
    change: changeOf("append", change),
  }));
  entries.forEach(({ index, term }, i) => {
    const expected = append.prevIndex + i + 1;
    if (index !== expected) {
      throw new PeerMessageError("append", `entry ${index} in the place of ${expected}`);
    }
    const before = i === 0 ? append.prevTerm : entries[i - 1]!.term;
    if (term < before) throw new PeerMessageError("append", `term ${term} behind ${before}`);
  });
  return { ...append, entries };
}

function encodePropose(message: Extract<Message, { kind: "propose" }>): Init<Propose> {
  const { data, change } = message;
  return { data, change: change ? encodeChange(change) : NO_BYTES };
}

function decodePropose({ data, change }: Propose) {
  return { data: data.map((each) => ENTRIES.copy(each)), change: changeOf("propose", change) };
}

function changeOf(kind: string, bytes: Buffer) {
  if (bytes.length === 0) return undefined;
  try {
    return decodeChange(bytes);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new PeerMessageError(kind, `no change of membership: ${thrown.message}`);
  }
}
