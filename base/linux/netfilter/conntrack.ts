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
import { readSysctl } from "../proc/sysctl.ts";
import { addressBytes, addressText } from "../socket/address-bytes.ts";
import { AF_INET } from "../syscall/numbers.ts";

const SUBSYS_CTNETLINK = 1 << 8;
const IPCTNL_MSG_CT = { GET: 1, DELETE: 2 } as const;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12, FILTER: 25 } as const;
const CTA_TUPLE = { IP: 1, PROTO: 2 } as const;
const CTA_IP_V4 = { SRC: 1, DST: 2 } as const;
const CTA_PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const CTA_FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
/** Which parts of the tuple a dump is filtered by (linux: CTA_FILTER_F_*). */
const FILTER = { SOURCE: 1, DESTINATION: 1 << 1, PROTO_NUM: 1 << 3 } as const;

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
    u32Attribute(CTA_FILTER.ORIG_FLAGS, FILTER.PROTO_NUM),
    u32Attribute(CTA_FILTER.REPLY_FLAGS, 0),
  ];
  return message(tuple, nest(CTA.FILTER, ...flags));
}

/** Returns the body of a request to list the connections that an address opens or answers. */
function dumpOfAddress(direction: "opens" | "is asked" | "answers", address: string): Buffer {
  const isReply = direction === "answers";
  const isSource = direction !== "is asked";
  const end = attribute(isSource ? CTA_IP_V4.SRC : CTA_IP_V4.DST, addressBytes(address));
  const flags = isSource ? FILTER.SOURCE : FILTER.DESTINATION;
  return message(
    nest(isReply ? CTA.TUPLE_REPLY : CTA.TUPLE_ORIG, nest(CTA_TUPLE.IP, end)),
    nest(
      CTA.FILTER,
      u32Attribute(CTA_FILTER.ORIG_FLAGS, isReply ? 0 : flags),
      u32Attribute(CTA_FILTER.REPLY_FLAGS, isReply ? flags : 0),
    ),
  );
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

/** Returns how many connections are tracked in the namespace this thread is in. */
export const flowCount = (): number => Number(readSysctl("net.netfilter.nf_conntrack_count"));

/**
 * Resolves with the tracked connections that an IPv4 address answers, also as the endpoint of a
 * Service: of each at least one packet went there. In the namespace this thread is in.
 */
export function flowsTo(address: string, slices?: Slices): Promise<Flow[]> {
  return inSlices(listingFlows(dumpOfAddress("answers", address), address), slices);
}

function* listingFlows(dump: Buffer, address: string): Generator<void, Flow[]> {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  let found: Flow[] = [];
  for (const part of socket.dumpInParts(GET, dump, LISTING, parseFlow)) {
    // A kernel before 5.8 lists all.
    if (part === "again") found = [];
    else found.push(...part.flatMap(({ flow }) => (flow.reply.source === address ? flow : [])));
    yield;
  }
  return found;
}

/**
 * Deletes the conntrack entries that `stale` selects, so that the next packet of each is evaluated
 * again, in the namespace this thread is in. Resolves with their number. Any client makes entries:
 * other events are processed in between.
 */
export const forgetFlows = (
  protocol: keyof typeof IPPROTO,
  stale: (flow: Flow) => boolean,
  slices?: Slices,
): Promise<number> => inSlices(forgettingFlows(dumpOf(IPPROTO[protocol]), stale), slices);

/**
 * Deletes the conntrack entries of an IPv4 address, of any protocol: those of which it is either
 * end, also as the endpoint of a Service. In the namespace this thread is in.
 */
export async function forgetFlowsOf(address: string): Promise<number> {
  const isEnd = ({ original, reply }: Flow) =>
    [original.source, original.destination, reply.source].includes(address);
  let count = 0;
  for (const direction of ["opens", "is asked", "answers"] as const) {
    // A kernel before 5.8 lists all, of which the address is looked for here.
    count += await inSlices(forgettingFlows(dumpOfAddress(direction, address), isEnd));
  }
  return count;
}

function* forgettingFlows(dump: Buffer, stale: (flow: Flow) => boolean): Generator<void, number> {
  using listing = new NetlinkSocket(NETLINK_NETFILTER);
  using deleting = new NetlinkSocket(NETLINK_NETFILTER);
  let count = 0;
  for (const part of listing.dumpInParts(GET, dump, LISTING, parseFlow)) {
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
