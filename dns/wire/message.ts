import packet, { type Answer, type OptAnswer, type Packet, type Question } from "dns-packet";
import {
  ANSWERS_READ_BYTES_MAX,
  ANSWERS_READ_MAX,
  QUERY_ADDITIONALS_MAX,
  RECORD_BYTES_MIN,
  UDP_BYTES_MAX,
  UDP_BYTES_PLAIN,
} from "../limits.ts";
import { compressOwners, questionsEnd, type RecordSpan, recordSpans, TYPE_OPT } from "./records.ts";

const HEADER_BYTES = 12;
/** Where the header counts questions, answers, authorities and additionals. */
const COUNTS = [4, 6, 8, 10] as const;
/** A question's type and class. */
const QUESTION_FIXED_BYTES = 4;
/** The DO flag of EDNS (RFC 3225). */
const DNSSEC_OK = 0x8000;
/** The flags of a query that its answer depends on: RD, and CD (RFC 4035, 3.2.2). */
const UPSTREAM_FLAGS = 0x0110;

/** Response codes (RFC 1035, 4.1.1). */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
} as const;

export type Rcode = (typeof RCODE)[keyof typeof RCODE];

/** A parsed query. */
export interface Query {
  id: number;
  question: Question;
  recursionDesired: boolean;
  /** The client's EDNS buffer size; undefined: no EDNS. */
  udpPayloadSize: number | undefined;
  /** Whether the client asks for DNSSEC's records (RFC 3225). */
  dnssecOk: boolean;
  /** Whether the client's version of EDNS is above 0, the only one there is. */
  isLaterEdns?: boolean;
  /** The original message. */
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
  if (bytes.length < HEADER_BYTES || (bytes.readUInt8(2) & 0x80) !== 0) return undefined;
  if ((bytes.readUInt8(2) & 0x78) !== 0) return RCODE.NOTIMP;
  const [questions, answers, authorities, additionals] = COUNTS.map((at) => bytes.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0) return RCODE.FORMERR;
  if (additionals! > QUERY_ADDITIONALS_MAX) return RCODE.FORMERR;
  let parsed: Packet;
  let opt: RecordSpan | undefined;
  try {
    // Records are not read, which takes up to 55 ms: what is asked of EDNS is in fixed fields.
    opt = recordSpans(bytes).find(({ type }) => type === TYPE_OPT);
    const asked = Buffer.from(bytes.subarray(0, questionsEnd(bytes)));
    asked.writeUInt16BE(0, COUNTS[3]);
    parsed = packet.decode(asked);
  } catch (thrown) {
    // Both throw plain errors on malformed input, which is answered FORMERR.
    if (thrown instanceof Error) return RCODE.FORMERR;
    throw thrown;
  }
  const [question] = parsed.questions;
  if (!question) return RCODE.FORMERR;
  if (question.class !== "IN") return RCODE.REFUSED;
  return {
    id: parsed.id,
    question,
    recursionDesired: (parsed.flags & packet.RECURSION_DESIRED) !== 0,
    udpPayloadSize: opt && bytes.readUInt16BE(opt.fixed + 2),
    dnssecOk: opt !== undefined && (bytes.readUInt16BE(opt.fixed + 6) & DNSSEC_OK) !== 0,
    isLaterEdns: opt !== undefined && bytes.readUInt8(opt.fixed + 5) > 0,
    bytes,
  };
}

/**
 * Reads the first ANSWERS_READ_MAX answers of another server's message that end within
 * ANSWERS_READ_BYTES_MAX, none of its other records: each may have several long names, or take as
 * long to parse. Returns undefined for a malformed message, and for one whose first answer is
 * larger.
 */
export function readAnswers(message: Buffer): Answer[] | undefined {
  const [, answers, authorities, additionals] = COUNTS;
  const read = Buffer.from(message);
  try {
    const own = recordSpans(message).slice(0, message.readUInt16BE(answers));
    const first = own.slice(0, ANSWERS_READ_MAX).filter(({ end }) => end <= ANSWERS_READ_BYTES_MAX);
    if (first.length === 0 && own.length > 0) return undefined;
    read.writeUInt16BE(first.length, answers);
    read.writeUInt16BE(0, authorities);
    read.writeUInt16BE(0, additionals);
    return packet.decode(read).answers;
  } catch (thrown) {
    if (thrown instanceof Error) return undefined;
    throw thrown;
  }
}

/** Returns the maximum size of a datagram that answers this query. */
export function datagramLimit({ udpPayloadSize }: Query): number {
  return Math.min(Math.max(udpPayloadSize ?? UDP_BYTES_PLAIN, UDP_BYTES_PLAIN), UDP_BYTES_MAX);
}

/** Encodes a reply; answers beyond `limit` bytes are dropped and the TC flag is set. */
export function writeReply(query: Query, reply: Reply, limit: number): Buffer {
  const opt: Answer[] = query.udpPayloadSize === undefined ? [] : [optOf(query)];
  const encode = (answers: Answer[], additionals: Answer[], truncated: boolean) =>
    compressOwners(
      packet.encode({
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
      }),
    );
  // lab:15 begin write-reply
  // Records that certainly do not fit are not encoded: a name may have thousands of them.
  const count_max = Math.floor(limit / RECORD_BYTES_MIN);
  if (reply.answers.length + reply.additionals.length <= count_max) {
    const whole = encode(reply.answers, reply.additionals, false);
    if (whole.length <= limit) return whole;
  }
  let answers = reply.answers.slice(0, count_max);
  if (answers.length === reply.answers.length) {
    // Additional records are optional: without them the answer is not truncated.
    const bare = encode(answers, [], false);
    if (bare.length <= limit) return bare;
  }
  while (answers.length > 0) {
    answers = answers.slice(0, Math.floor(answers.length / 2));
    const cut = encode(answers, [], true);
    if (cut.length <= limit) return cut;
  }
  return encode([], [], true);
  // lab:15 end
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

/** The upper bits of BADVERS, 16, whose lower ones are those of NOERROR (RFC 6891, 9). */
const BADVERS_UPPER = 1;

/** The record of EDNS in a reply: whether DNSSEC was asked for is repeated (RFC 3225, 3). */
const optOf = ({ dnssecOk, isLaterEdns = false }: Query): OptAnswer => ({
  ...OPT,
  flags: dnssecOk ? DNSSEC_OK : 0,
  extendedRcode: isLaterEdns ? BADVERS_UPPER : 0,
});

/** Encodes an error reply to a message that could not be parsed: a header only. */
export function writeError(bytes: Buffer, rcode: Rcode): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(bytes.readUInt16BE(0), 0);
  header.writeUInt8(0x80 | (bytes.readUInt8(2) & 0x79), 2);
  header.writeUInt8(0x80 | rcode, 3);
  return header;
}

/**
 * Returns the query to an upstream resolver, with the id 0. Clients whose queries are the same
 * bytes share an answer, so it has nothing else of the client: an EDNS version or option of one
 * could make the answer useless to the others. The name is compared as labels: in text, a dot
 * within a label looks like one between two.
 */
export function upstreamQuery(query: Query): Buffer {
  const { bytes, udpPayloadSize, dnssecOk } = query;
  const hasEdns = udpPayloadSize !== undefined;
  const flags = dnssecOk ? DNSSEC_OK : 0;
  const head = packet.encode({
    id: 0,
    type: "query",
    flags: bytes.readUInt16BE(2) & UPSTREAM_FLAGS,
    questions: [],
    answers: [],
    authorities: [],
    additionals: hasEdns ? [{ ...OPT, flags }] : [],
  });
  head.writeUInt16BE(1, 4);
  const question = Buffer.from(bytes.subarray(HEADER_BYTES, questionsEnd(bytes)));
  const name = question.length - QUESTION_FIXED_BYTES;
  for (let at = 0; at < name; at++) {
    const byte = question.readUInt8(at);
    // The length of a label is 63 at most, which is less than any letter.
    if (byte >= 0x41 && byte <= 0x5a) question.writeUInt8(byte | 0x20, at);
  }
  return Buffer.concat([head.subarray(0, HEADER_BYTES), question, head.subarray(HEADER_BYTES)]);
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
