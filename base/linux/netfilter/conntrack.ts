import { isErrno } from "@raft2kube/std/errors.ts";
import { inSlices, type Slices } from "@raft2kube/std/slices.ts";
import {
  attribute,
  nest,
  parseAttributes,
  u8Attribute,
  u32Attribute,
} from "../netlink/attributes.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../netlink/netlink.ts";
import { addressText } from "../socket/address-bytes.ts";
import { AF_INET } from "../syscall/numbers.ts";

const SUBSYS_CTNETLINK = 1 << 8;
const IPCTNL_MSG_CT = { GET: 1, DELETE: 2 } as const;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12, FILTER: 25 } as const;
const CTA_TUPLE = { IP: 1, PROTO: 2 } as const;
const CTA_IP_V4 = { SRC: 1, DST: 2 } as const;
const CTA_PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const CTA_FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
/** Which parts of the tuple a dump is filtered by (linux: CTA_FILTER_F_*). */
const FILTER_PROTO_NUM = 1 << 3;

const GET = SUBSYS_CTNETLINK | IPCTNL_MSG_CT.GET;
const LISTING = "list tracked connections";

const IPPROTO = { tcp: 6, udp: 17, sctp: 132 } as const;

/** One direction of a tracked connection. */
export interface FlowTuple {
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
}

/** A connection that the kernel tracks: as the client sent it, and as answers come. */
export type Flow = { original: FlowTuple; reply: FlowTuple };

function message(...parts: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([AF_INET, 0, 0, 0]), ...parts]);
}

/** Returns the body of a request to list the tracked IPv4 connections of a protocol. */
function dumpOf(protocol: number): Buffer {
  const number = u8Attribute(CTA_PROTO.NUM, protocol);
  const tuple = nest(CTA.TUPLE_ORIG, nest(CTA_TUPLE.PROTO, number));
  const flags = [
    u32Attribute(CTA_FILTER.ORIG_FLAGS, FILTER_PROTO_NUM),
    u32Attribute(CTA_FILTER.REPLY_FLAGS, 0),
  ];
  return message(tuple, nest(CTA.FILTER, ...flags));
}

/** A connection with the message it was in; none when it is not of IPv4. */
export function parseFlow(body: Buffer): { flow: Flow; body: Buffer }[] {
  const attributes = parseAttributes(body, 4);
  const original = tupleOf(attributes.get(CTA.TUPLE_ORIG));
  const reply = tupleOf(attributes.get(CTA.TUPLE_REPLY));
  return original && reply ? [{ flow: { original, reply }, body }] : [];
}

function tupleOf(bytes: Buffer | undefined): FlowTuple | undefined {
  const tuple = parseAttributes(bytes ?? Buffer.alloc(0));
  const ip = parseAttributes(tuple.get(CTA_TUPLE.IP) ?? Buffer.alloc(0));
  const proto = parseAttributes(tuple.get(CTA_TUPLE.PROTO) ?? Buffer.alloc(0));
  const source = ip.get(CTA_IP_V4.SRC);
  const destination = ip.get(CTA_IP_V4.DST);
  if (!source || !destination) return undefined;
  return {
    source: addressText(source),
    destination: addressText(destination),
    sourcePort: proto.get(CTA_PROTO.SRC_PORT)?.readUInt16BE() ?? 0,
    destinationPort: proto.get(CTA_PROTO.DST_PORT)?.readUInt16BE() ?? 0,
  };
}

/** All tracked IPv4 connections of a protocol, in the namespace this thread is in. */
export function listFlows(protocol: keyof typeof IPPROTO): Flow[] {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  const found = socket.dump(GET, dumpOf(IPPROTO[protocol]), LISTING, parseFlow);
  return found.map(({ flow }) => flow);
}

/**
 * Deletes the conntrack entries that `stale` selects, so that the next packet of each is evaluated
 * again, in the namespace this thread is in. Resolves with their number. Any client makes entries:
 * other events are processed in between.
 */
export function forgetFlows(
  protocol: keyof typeof IPPROTO,
  stale: (flow: Flow) => boolean,
  slices?: Slices,
): Promise<number> {
  return inSlices(forgettingFlows(IPPROTO[protocol], stale), slices);
}

function* forgettingFlows(
  protocol: number,
  stale: (flow: Flow) => boolean,
): Generator<void, number> {
  using listing = new NetlinkSocket(NETLINK_NETFILTER);
  using deleting = new NetlinkSocket(NETLINK_NETFILTER);
  let count = 0;
  for (const part of listing.dumpInParts(GET, dumpOf(protocol), LISTING, parseFlow)) {
    for (const { flow, body } of part === "again" ? [] : part) {
      if (stale(flow) && forget(deleting, body)) count++;
    }
    yield;
  }
  return count;
}

/** Deletes the entry that a message lists; false: it ended in the meantime. */
function forget(socket: NetlinkSocket, body: Buffer): boolean {
  const attributes = parseAttributes(body, 4);
  const tuple = nest(CTA.TUPLE_ORIG, attributes.get(CTA.TUPLE_ORIG) ?? Buffer.alloc(0));
  const id = attributes.get(CTA.ID);
  const parts = [tuple, ...(id ? [attribute(CTA.ID, id)] : [])];
  const type = SUBSYS_CTNETLINK | IPCTNL_MSG_CT.DELETE;
  try {
    socket.request(type, 0, message(...parts), "forget a tracked connection");
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
    return false;
  }
  return true;
}
