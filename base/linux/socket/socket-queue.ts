import type { Socket } from "node:net";
import { assert } from "@raft2kube/std/assert.ts";
import { check, libc } from "../syscall/libc.ts";

/** ioctl of tcp(7): bytes of the send queue that the peer has not acknowledged. */
const SIOCOUTQ = 0x5411;

/** Returns how many bytes that were written to a TCP socket its peer has not acknowledged. */
export function unacknowledgedBytes(socket: Socket): number {
  // Node gives a descriptor no other name.
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } | null };
  assert(handle?.fd !== undefined && handle.fd >= 0, "the socket is open");
  const queued = Buffer.alloc(4);
  check("ioctl", libc.ioctl(handle.fd, SIOCOUTQ, queued), "SIOCOUTQ");
  return socket.writableLength + queued.readInt32LE();
}
