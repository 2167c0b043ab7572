import { closeSync, openSync, readSync } from "node:fs";
import { errno, tolerate, tolerateSync } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { inNetns } from "../namespace/netns.ts";
import { AF_INET, AF_INET6 } from "../syscall/numbers.ts";
import { parseAttributes } from "./attributes.ts";
import { NetlinkSocket } from "./netlink.ts";

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const AF_PACKET = 17;
const IPPROTO_TCP = 6;
const PIECE_BYTES = 32_768;
/**
 * Lines of a namespace's tables that are read. The kernel starts each page of a table at its first
 * socket, that of netlink at the first of the machine: the time grows with the square.
 */
const SOCKETS_MAX = 10_000;

/** A question to sock_diag(7), and how many bytes that no cgroup has a socket of its answer keeps. */
interface Diag {
  readonly request: Buffer;
  bytesIn(message: Buffer): number;
}

/** struct packet_diag_req asks for rings, which are two attributes of a struct packet_diag_msg. */
const PACKETS: Diag = {
  request: Buffer.from([AF_PACKET, ...Array<number>(7).fill(0), 4, ...Array<number>(11).fill(0)]),
  bytesIn(message) {
    const attributes = parseAttributes(message, 16);
    const rings = [2, 3].map((type) => attributes.get(type));
    return rings.reduce((sum, ring) => {
      return sum + (ring ? ring.readUInt32LE(0) * ring.readUInt32LE(4) : 0);
    }, 0);
  },
};

/**
 * struct inet_diag_req_v2 asks for established connections, and those that only the other side has
 * ended: without an inode they are not accepted. Its answer, struct inet_diag_msg, has the numbers
 * of linux/sock_diag.h in one attribute.
 */
const tcp = (family: number): Diag => ({
  request: Buffer.concat([
    Buffer.from([family, IPPROTO_TCP, 1 << (7 - 1), 0]),
    Buffer.from([(1 << 1) | (1 << 8), 1, 0, 0]),
    Buffer.alloc(48),
  ]),
  bytesIn(message) {
    const memory = parseAttributes(message, 72).get(7);
    const isAccepted = message.readUInt32LE(68) !== 0;
    if (!memory || isAccepted) return 0;
    const [received = 0, reserved = 0] = [0, 4].map((at) => memory.readUInt32LE(at * 4));
    return received + reserved;
  },
});

/** A namespace or process that is gone, a protocol without sockets, or one of another user's. */
const absent = errno("ENOENT", "ESRCH", "EINVAL", "EACCES", "EPERM");

type BytesIn = (fields: readonly string[]) => number;

const decimal =
  (...columns: readonly number[]): BytesIn =>
  (fields) =>
    columns.reduce((sum, at) => sum + Number(fields[at] ?? 0), 0);

/** `tx_queue:rx_queue`, in hexadecimal digits. */
const queues: BytesIn = ([, , , , both = ""]) =>
  both.split(":").reduce((sum, digits) => sum + Number.parseInt(digits, 16), 0);

/** Tables below /proc/PID/net, and how many bytes the buffers of a line's socket have. */
const TABLES: readonly (readonly [name: string, bytesIn: BytesIn])[] = [
  ["netlink", decimal(4, 5)],
  ["packet", decimal(6)],
  ...["raw", "raw6", "icmp", "icmp6"].map((name) => [name, queues] as const),
];

/** The sockets to measure. */
export interface MeasuredSockets {
  /** Bytes at which the measurement stops. */
  readonly enough_bytes: number;
  /** More sockets of netlink, packet, raw and ICMP count as Infinity. */
  readonly sockets_max?: number;
  /** Whether connections of TCP are looked at: the kernel walks through those of the machine. */
  readonly tcp: boolean;
}

export type SocketBuffers = { readonly tcp_bytes: number; readonly other_bytes: number };

/**
 * Measures the buffers of sockets in a process's network namespace that the kernel counts as memory
 * of no cgroup: those of netlink, packet, raw and ICMP sockets; rings of packet sockets, where the
 * kernel has packet_diag; received data of TCP connections that are not accepted yet. Undefined if
 * the process is gone, or another user's. Others run in between.
 */
export async function unchargedBuffers(
  pid: number,
  { enough_bytes, sockets_max = SOCKETS_MAX, tcp: withTcp }: MeasuredSockets,
): Promise<SocketBuffers | undefined> {
  const found = await inSlices(bytesInTables(pid, enough_bytes, sockets_max));
  if (found === undefined) return undefined;
  const ask = async (diag: Diag) =>
    (await tolerate(inSlices(asking(pid, diag, enough_bytes)), absent)) ?? 0;
  const rings_bytes = found.packets > 0 ? await ask(PACKETS) : 0;
  let tcp_bytes = 0;
  if (withTcp) for (const family of [AF_INET, AF_INET6]) tcp_bytes += await ask(tcp(family));
  return { tcp_bytes, other_bytes: found.bytes + rings_bytes };
}

/** Adds up the tables, and counts packet sockets; undefined without a table. */
function* bytesInTables(pid: number, enough_bytes: number, sockets_max: number) {
  const found = { bytes: 0, packets: 0 };
  let sockets = 0;
  let isThere = false;
  for (const [name, bytesIn] of TABLES) {
    const fd = tolerateSync(() => openSync(`/proc/${pid}/net/${name}`, "r"), absent);
    if (fd === undefined) continue;
    isThere = true;
    try {
      for (const lines of linesOf(fd)) {
        if (name === "packet") found.packets += lines.length;
        sockets += lines.length;
        if (sockets > sockets_max) found.bytes = Infinity;
        for (const line of lines) found.bytes += bytesIn(line.trim().split(/\s+/));
        if (found.bytes >= enough_bytes) return found;
        yield;
      }
    } finally {
      closeSync(fd);
    }
  }
  return isThere ? found : undefined;
}

/** Yields the lines after the first, of a table of any length, some at a time. */
function* linesOf(fd: number): Generator<string[]> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  let [rest, isFirst] = ["", true];
  for (;;) {
    const count = tolerateSync(() => readSync(fd, piece), absent) ?? 0;
    if (count === 0) return;
    const lines = (rest + piece.toString("latin1", 0, count)).split("\n");
    rest = lines.pop()!;
    yield isFirst ? lines.slice(1) : lines;
    isFirst = false;
  }
}

function* asking(pid: number, { request, bytesIn }: Diag, enough_bytes: number) {
  const opened = () => new NetlinkSocket(NETLINK_SOCK_DIAG);
  using socket = inNetns<NetlinkSocket>(`/proc/${pid}/ns/net`, opened);
  const decode = (message: Buffer) => [bytesIn(message)];
  let sum = 0;
  for (const part of socket.dumpInParts(SOCK_DIAG_BY_FAMILY, request, "list sockets", decode)) {
    sum = part === "again" ? 0 : part.reduce((all, bytes) => all + bytes, sum);
    if (sum >= enough_bytes) break;
    yield;
  }
  return sum;
}
