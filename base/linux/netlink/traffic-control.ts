import {
  attribute,
  nest,
  parseAttributes,
  textAttribute,
  textOf,
  u32Attribute,
} from "./attributes.ts";
import { type NetlinkSocket, NLM_F } from "./netlink.ts";

// rtnetlink's traffic control: linux/rtnetlink.h, linux/pkt_sched.h.
const RTM = { NEWQDISC: 36, GETQDISC: 38 } as const;
const TCA = { KIND: 1, OPTIONS: 2 } as const;
const TBF = { PARMS: 1, RATE64: 4, BURST: 6 } as const;
const TCMSG_BYTES = 20;
/** The parent of a link's root discipline (TC_H_ROOT). */
const ROOT = 0xffffffff;
/** Offsets in `struct tc_tbf_qopt`: two rate specifications of 12 bytes, then the numbers. */
const QOPT = { RATE: 8, LIMIT: 24, BYTES: 36 } as const;
const U32_MAX = 0xffffffff;

/** A token bucket: `tc-tbf(8)`. */
export interface TokenBucket {
  /** Bytes per second. */
  readonly rate: number;
  /** Size of the bucket in bytes: the largest burst. */
  readonly burst_bytes: number;
  /** Bytes that wait for tokens, at most 2^32 - 1; more are dropped. */
  readonly limit_bytes: number;
}

/** A queueing discipline of a link. */
export interface Qdisc {
  /** The link's index. */
  readonly link: number;
  readonly kind: string;
  /** Rate of a token bucket, bytes per second, and bytes that wait. 0 for other kinds. */
  readonly rate: number;
  readonly limit_bytes: number;
}

function header(link: number, parent = 0): Buffer {
  const bytes = Buffer.alloc(TCMSG_BYTES);
  bytes.writeInt32LE(link, 4);
  bytes.writeUInt32LE(parent, 12);
  return bytes;
}

/** Shapes what leaves a link by a token bucket at its root. EEXIST when it has another. */
export function addTokenBucket(route: NetlinkSocket, link: number, bucket: TokenBucket): void {
  const parms = Buffer.alloc(QOPT.BYTES);
  parms.writeUInt32LE(Math.min(bucket.rate, U32_MAX), QOPT.RATE);
  parms.writeUInt32LE(bucket.limit_bytes, QOPT.LIMIT);
  const rate64 = Buffer.alloc(8);
  rate64.writeBigUInt64LE(BigInt(bucket.rate));
  const options = nest(
    TCA.OPTIONS,
    attribute(TBF.PARMS, parms),
    u32Attribute(TBF.BURST, bucket.burst_bytes),
    ...(bucket.rate > U32_MAX ? [attribute(TBF.RATE64, rate64)] : []),
  );
  const body = [header(link, ROOT), textAttribute(TCA.KIND, "tbf"), options];
  const doing = `shape link ${link} to ${bucket.rate} bytes per second`;
  route.request(RTM.NEWQDISC, NLM_F.CREATE | NLM_F.EXCL, Buffer.concat(body), doing);
}

/** The queueing disciplines of all links. */
export function listQdiscs(route: NetlinkSocket): Qdisc[] {
  return route.dump(RTM.GETQDISC, header(0), "list the queueing disciplines", (body) => [
    parseQdisc(body),
  ]);
}

/** A queueing discipline, of the body of RTM_NEWQDISC. */
export function parseQdisc(body: Buffer): Qdisc {
  const attributes = parseAttributes(body, TCMSG_BYTES);
  const kind = textOf(attributes.get(TCA.KIND) ?? Buffer.alloc(0));
  const link = body.readInt32LE(4);
  const options = kind === "tbf" ? attributes.get(TCA.OPTIONS) : undefined;
  if (!options) return { link, kind, rate: 0, limit_bytes: 0 };
  const of = parseAttributes(options);
  const parms = of.get(TBF.PARMS) ?? Buffer.alloc(QOPT.BYTES);
  const rate64 = of.get(TBF.RATE64)?.readBigUInt64LE();
  return {
    link,
    kind,
    rate: rate64 === undefined ? parms.readUInt32LE(QOPT.RATE) : Number(rate64),
    limit_bytes: parms.readUInt32LE(QOPT.LIMIT),
  };
}
