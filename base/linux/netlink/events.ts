import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import { asError } from "@raft2kube/std/errors.ts";
import { adoptDescriptor } from "../socket/socket.ts";
import { check, libc } from "../syscall/libc.ts";
import { AF_NETLINK, SOL_SOCKET } from "../syscall/numbers.ts";
import { messagesOf, type NetlinkMessage } from "./messages.ts";

const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const NETLINK_ROUTE = 0;
const SO_RCVBUF = 8;
/** Socket option: a buffer beyond `net.core.rmem_max`, for a process with CAP_NET_ADMIN. */
const SO_RCVBUFFORCE = 33;

/** Groups of rtnetlink as the bits of `nl_groups` (linux/rtnetlink.h). */
export const RTMGRP = { LINK: 0x1, NEIGH: 0x4, IPV4_IFADDR: 0x10, IPV4_ROUTE: 0x40 } as const;

export interface RouteEvents {
  close(): void;
}

/**
 * Calls `onMessage` for every change of the groups in the network namespace that this thread is in
 * now. Calls `onLost` once, and ends, when changes were missed: with ENOBUFS when they came faster
 * than they were read. The caller then looks at everything and starts again.
 */
export function watchRoute(options: {
  groups: number;
  onMessage: (message: NetlinkMessage) => void;
  onLost: (error: Error) => void;
  /**
   * Size of the buffer of unread changes, as the kernel counts it: some 4 KiB for a link's. Without
   * the right to it, as in a user namespace, it is `net.core.rmem_max`.
   */
  buffer_bytes: number;
}): RouteEvents {
  const socket = open(options.groups, options.buffer_bytes);
  let ended = false;
  const lose = (error: Error) => {
    if (ended) return;
    ended = true;
    socket.destroy();
    options.onLost(error);
  };
  socket.on("data", (datagram: Buffer) => {
    try {
      for (const message of messagesOf(datagram, "watch the network")) options.onMessage(message);
    } catch (thrown) {
      lose(asError(thrown));
    }
  });
  socket.on("error", lose);
  return {
    close() {
      ended = true;
      socket.destroy();
    },
  };
}

function open(groups: number, buffer_bytes: number): Socket {
  const opened = libc.socket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, NETLINK_ROUTE);
  const fd = check("socket", opened, "for changes of the network");
  try {
    // The kernel doubles the number.
    const value = Buffer.alloc(4);
    value.writeInt32LE(buffer_bytes / 2);
    const set = (option: number) => libc.setsockopt(fd, SOL_SOCKET, option, value, value.length);
    if (set(SO_RCVBUFFORCE) < 0) check("setsockopt", set(SO_RCVBUF), "SO_RCVBUF of netlink");
    // struct sockaddr_nl: family, padding, port (0: the kernel gives one), groups.
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    check("bind", libc.bind(fd, address, address.length), "to changes of the network");
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
  return adoptDescriptor(fd);
}
