import packet, { type Answer, type OptAnswer, type Packet, type Question } from "dns-packet";
import { UDP_BYTES_MAX, UDP_BYTES_PLAIN } from "../limits.ts";
import { compressOwners, questionsEnd } from "./records.ts";

/** Response codes (RFC 1035, 4.1.1). */
export const RCODE = {
  NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5,
} as const;

export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** A parsed query. */
export interface Query {
  id: number;
  question: Question;
  recursionDesired: boolean;
  /** The client's EDNS buffer size; undefined: no EDNS. */
  udpPayloadSize: number | undefined;
  /** The original message, for forwarding. */
  bytes: Buffer;
}

/** The content of a reply. */
export interface Reply {
  rcode: Rcode;
  authoritative: boolean;
  answers: Answer[];
  authorities: Answer[];
  additionals: Answer[];
}

export function replyOf(rcode: Rcode, parts: Partial<Reply> = {}): Reply {
  return { rcode, authoritative: false, answers: [], authorities: [], additionals: [], ...parts };
}

/**
 * Parses a query. Returns the error code to answer if it is not valid, and undefined if it must not
 * be answered at all: a response, or a message without a header.
 */
export function readQuery(bytes: Buffer): Query | Rcode | undefined {
  if (bytes.length < 12 || (bytes.readUInt8(2) & 0x80) !== 0) return undefined;
  if ((bytes.readUInt8(2) & 0x78) !== 0) return RCODE.NOTIMP;
  let parsed: Packet;
  try {
    parsed = packet.decode(bytes);
  } catch (thrown) {
    // The parser throws plain errors on malformed input, which is answered FORMERR.
    if (thrown instanceof Error) return RCODE.FORMERR;
    throw thrown;
  }
  const [question, ...more] = parsed.questions;
  if (!question || more.length > 0) return RCODE.FORMERR;
  if (question.class !== "IN") return RCODE.REFUSED;
  const opt = parsed.additionals.find((record): record is OptAnswer => record.type === "OPT");
  return {
    id: parsed.id,
    question,
    recursionDesired: (parsed.flags & packet.RECURSION_DESIRED) !== 0,
    udpPayloadSize: opt?.udpPayloadSize,
    bytes,
  };
}

/** Returns the maximum size of a datagram that answers this query. */
export function datagramLimit({ udpPayloadSize }: Query): number {
  return Math.min(Math.max(udpPayloadSize ?? UDP_BYTES_PLAIN, UDP_BYTES_PLAIN), UDP_BYTES_MAX);
}

/** Encodes a reply; answers beyond `limit` bytes are dropped and the TC flag is set. */
export function writeReply(query: Query, reply: Reply, limit: number): Buffer {
  const opt: Answer[] = query.udpPayloadSize === undefined ? [] : [OPT];
  const encode = (answers: Answer[], additionals: Answer[], truncated: boolean) =>
    compressOwners(packet.encode({
      id: query.id,
      type: "response",
      flags:
        reply.rcode |
        (reply.authoritative ? packet.AUTHORITATIVE_ANSWER : 0) |
        (truncated ? packet.TRUNCATED_RESPONSE : 0) |
        (query.recursionDesired ? packet.RECURSION_DESIRED : 0) |
        packet.RECURSION_AVAILABLE,
      questions: [query.question],
      answers,
      authorities: truncated ? [] : reply.authorities,
      additionals: [...additionals, ...opt],
    }));
  const whole = encode(reply.answers, reply.additionals, false);
  if (whole.length <= limit) return whole;
  // Additional records are optional: without them the answer is not truncated.
  const bare = encode(reply.answers, [], false);
  if (bare.length <= limit) return bare;
  let answers = reply.answers;
  while (answers.length > 0) {
    answers = answers.slice(0, Math.floor(answers.length / 2));
    const cut = encode(answers, [], true);
    if (cut.length <= limit) return cut;
  }
  return encode([], [], true);
}

const OPT: OptAnswer = {
  name: ".",
  type: "OPT",
  udpPayloadSize: UDP_BYTES_MAX,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  options: [],
};

/** Encodes an error reply to a message that could not be parsed: a header only. */
export function writeError(bytes: Buffer, rcode: Rcode): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(bytes.readUInt16BE(0), 0);
  header.writeUInt8(0x80 | (bytes.readUInt8(2) & 0x79), 2);
  header.writeUInt8(0x80 | rcode, 3);
  return header;
}

/** Turns an upstream answer into the reply to this query: sets its id, and truncates it. */
export function relayReply(query: Query, answer: Buffer, limit: number): Buffer {
  const end = questionsEnd(answer);
  const relayed = Buffer.from(answer.length <= limit ? answer : answer.subarray(0, end));
  relayed.writeUInt16BE(query.id, 0);
  // The question with the client's letter case; that of a cached answer may differ.
  const own = questionsEnd(query.bytes);
  if (own === end) query.bytes.copy(relayed, 12, 12, own);
  if (answer.length > limit) {
    relayed.writeUInt8(relayed.readUInt8(2) | 0x02, 2);
    relayed.fill(0, 6, 12);
  }
  return relayed;
}
