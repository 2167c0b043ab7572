import { closeSync, openSync } from "node:fs";
import { isIPv6, Socket, type SocketConstructorOpts } from "node:net";
import { basename, dirname } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { check, libc } from "../syscall/libc.ts";
import { O_CLOEXEC, O_PATH, SOL_SOCKET } from "../syscall/numbers.ts";
import { addressBytes } from "./address-bytes.ts";

const AF = { UNIX: 1, INET: 2, INET6: 10 } as const;
const SOCK = { STREAM: 1, DGRAM: 2, SEQPACKET: 5, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;
const OPEN = SOCK.NONBLOCK | SOCK.CLOEXEC;
const IPPROTO_IP = 0;
const NO_PORT_AT_BIND = 24;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
/** The greatest size of a send buffer, that of a tun device: the queues of links have limits. */
const SEND_BUFFER_BYTES = 0x3fffffff;
/** Node's option for a descriptor that is not connected: it reads nothing before. */
const UNCONNECTED = { manualStart: true };
const F_DUPFD_CLOEXEC = 1030;
/** Duplicates stay off the standard streams. */
const FIRST_FREE_FD = 3;
/** sun_path, with the zero byte at its end (unix(7)). */
const UNIX_PATH_BYTES = 108;

/** The kernel's address of a Unix socket. Throws RangeError when the path is too long for it. */
export function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path, "utf8");
  if (bytes.length >= UNIX_PATH_BYTES) {
    throw new RangeError(`socket path of ${bytes.length} bytes, at most ${UNIX_PATH_BYTES - 1}`);
  }
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF.UNIX);
  bytes.copy(address, 2);
  return address;
}

/**
 * A Node socket over a descriptor of any kind that can be polled: a sequenced packet socket, the
 * master of a pseudo-terminal. Node refuses such descriptors, so a stream socket's is put in its
 * place before the loop first looks at it. The descriptor, which must not block, is consumed. Each
 * `data` event is one read: one packet, where the kernel keeps packets. Without `readable` nothing
 * is read.
 */
export function adoptDescriptor(fd: number, { readable = true } = {}): Socket {
  try {
    const pair = [0, 0];
    check("socketpair", libc.socketpair(AF.UNIX, SOCK.STREAM | OPEN, 0, pair), "for a descriptor");
    const [place, other] = pair as [number, number];
    closeSync(other);
    const socket = new Socket({ fd: place, readable, writable: true, allowHalfOpen: true });
    socket.on("error", () => socket.destroy());
    check("dup3", libc.dup3(fd, place, O_CLOEXEC), String(fd));
    return socket;
  } finally {
    closeSync(fd);
  }
}

/** The same as `adoptDescriptor`, over a duplicate: the descriptor itself stays the caller's. */
export function adoptDuplicate(fd: number, { readable }: { readable: boolean }): Socket {
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
  return adoptDescriptor(check("fcntl", copy, "a descriptor"), { readable });
}

/**
 * Calls `use` with a path to the same socket that the kernel takes: a long one is named through its
 * folder's descriptor.
 */
function withShortPath<T>(path: string, use: (path: string) => T): T {
  if (Buffer.byteLength(path) < UNIX_PATH_BYTES) return use(path);
  const folder = openSync(dirname(path), O_PATH | O_CLOEXEC);
  try {
    return use(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
}

/**
 * Connects to a Unix socket that keeps packets apart (SOCK_SEQPACKET), which Node cannot. Returns
 * the descriptor, which does not block.
 */
export function connectSeqpacket(path: string): number {
  const fd = check("socket", libc.socket(AF.UNIX, SOCK.SEQPACKET | OPEN, 0), path);
  try {
    withShortPath(path, (short) => {
      const address = unixAddress(short);
      check("connect", libc.connect(fd, address, address.length), path);
    });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/**
 * Opens a UDP socket on an address and port of the network namespace that this thread is in, which
 * may send to many: what waits in the queue of one's link, which may be bounded to a kilobit a
 * second, keeps none from the others. Without CAP_NET_ADMIN it has net.core.wmem_max for all.
 * Returns the descriptor, for `dgram`'s bind.
 */
export function bindUdp(address: string, port: number): number {
  const what = `UDP port ${port} of ${address}`;
  const domain = isIPv6(address) ? AF.INET6 : AF.INET;
  const fd = check("socket", libc.socket(domain, SOCK.DGRAM | OPEN, 0), what);
  try {
    const bytes = inetAddress(address, port);
    const most = Buffer.alloc(4);
    most.writeInt32LE(SEND_BUFFER_BYTES);
    const set = (option: number) => libc.setsockopt(fd, SOL_SOCKET, option, most, most.length);
    if (set(SO_SNDBUFFORCE) < 0) check("setsockopt", set(SO_SNDBUF), what);
    check("bind", libc.bind(fd, bytes, bytes.length), what);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Returns a TCP socket that will connect from an IPv4 address of this machine. The kernel chooses
 * its port when it connects, one that is free towards the other side: `localAddress` of Node takes
 * one from all connections of the address (IP_BIND_ADDRESS_NO_PORT of ip(7)).
 */
export function tcpFrom(address: string, options: SocketConstructorOpts): Socket {
  const what = `a TCP socket at ${address}`;
  const fd = check("socket", libc.socket(AF.INET, SOCK.STREAM | OPEN, 0), what);
  try {
    const one = Buffer.of(1, 0, 0, 0);
    check("setsockopt", libc.setsockopt(fd, IPPROTO_IP, NO_PORT_AT_BIND, one, one.length), what);
    const bytes = inetAddress(address, 0);
    check("bind", libc.bind(fd, bytes, bytes.length), what);
    const socket = new Socket({ ...options, fd, ...UNCONNECTED });
    socket.on("error", () => socket.destroy());
    return socket;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_in and sockaddr_in6: family, port, (flow label,) address (, scope). */
function inetAddress(address: string, port: number): Buffer {
  const isV6 = isIPv6(address);
  const bytes = Buffer.alloc(isV6 ? 28 : 16);
  bytes.writeUInt16LE(isV6 ? AF.INET6 : AF.INET);
  bytes.writeUInt16BE(port, 2);
  addressBytes(address).copy(bytes, isV6 ? 8 : 4);
  return bytes;
}

/**
 * Starts a TCP connection to the loopback address of the network namespace that this thread is in,
 * all in this call: the socket stays in it. A refusal is thrown, or comes as an error event when
 * the kernel was too busy to answer immediately.
 */
export function connectLoopback(family: 4 | 6, port: number): Socket {
  const what = `port ${port} of loopback`;
  const domain = family === 4 ? AF.INET : AF.INET6;
  const fd = check("socket", libc.socket(domain, SOCK.STREAM | OPEN, 0), what);
  const address = inetAddress(family === 4 ? "127.0.0.1" : "::1", port);
  const connect = () => check("connect", libc.connect(fd, address, address.length), what);
  try {
    try {
      connect();
    } catch (error) {
      if (!isErrno(error, "EINPROGRESS")) throw error;
      // The answer lay in the socket's backlog, which the first call emptied when it returned.
      connect();
    }
  } catch (error) {
    if (!isErrno(error, "EISCONN", "EALREADY")) {
      closeSync(fd);
      throw error;
    }
  }
  const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  socket.on("error", () => socket.destroy());
  return socket;
}
