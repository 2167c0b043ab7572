import { closeSync, rmSync } from "node:fs";
import { isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { unixAddress } from "../socket/socket.ts";
import koffi from "../syscall/koffi.ts";
import { check, libc } from "../syscall/libc.ts";
import { AF_UNIX, SOCK_STREAM, SOL_SOCKET } from "../syscall/numbers.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

const NONBLOCK = 0o4000;
const CLOEXEC = 0o2000000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SCM_RIGHTS = 1;
/** One descriptor's control message: header of 16 bytes, the number, padding (cmsg(3)). */
const CONTROL_BYTES = 24;
/** struct iovec and msghdr of 64-bit Linux. */
const MESSAGE_HEADER_BYTES = 56;

/** A socket on which an OCI runtime hands over the terminal that it made (`--console-socket`). */
export interface ConsoleSocket {
  readonly path: string;
  /** The terminal, once it has come; undefined while it has not. Ask again after a moment. */
  poll(): Terminal | undefined;
  close(): void;
}

const retryable = (error: unknown): boolean => isErrno(error, "EAGAIN", "EWOULDBLOCK", "EINTR");

/** Receives one message with one descriptor; undefined while there is none. */
function receiveDescriptor(fd: number): number | undefined {
  const data = Buffer.alloc(4096);
  const control = Buffer.alloc(CONTROL_BYTES);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(koffi.address(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(MESSAGE_HEADER_BYTES);
  header.writeBigUInt64LE(koffi.address(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(koffi.address(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  try {
    check("recvmsg", libc.recvmsg(fd, header, MSG_CMSG_CLOEXEC), "the console socket");
  } catch (error) {
    if (retryable(error)) return undefined;
    throw error;
  }
  const [level, type] = [control.readInt32LE(8), control.readInt32LE(12)];
  if (level !== SOL_SOCKET || type !== SCM_RIGHTS) return undefined;
  return control.readInt32LE(16);
}

export function listenForTerminal(path: string): ConsoleSocket {
  const flags = SOCK_STREAM | NONBLOCK | CLOEXEC;
  const listener = check("socket", libc.socket(AF_UNIX, flags, 0), path);
  let connection: number | undefined;
  try {
    const address = unixAddress(path);
    check("bind", libc.bind(listener, address, address.length), path);
    check("listen", libc.listen(listener, 1), path);
  } catch (error) {
    closeSync(listener);
    throw error;
  }
  const accept = () => {
    return tolerateSync(
      () => check("accept4", libc.accept4(listener, null, null, NONBLOCK | CLOEXEC), path),
      retryable,
    );
  };
  return {
    path,
    poll() {
      connection ??= accept();
      const fd = connection === undefined ? undefined : receiveDescriptor(connection);
      return fd === undefined ? undefined : terminalOf(fd);
    },
    close() {
      if (connection !== undefined) closeSync(connection);
      closeSync(listener);
      rmSync(path, { force: true });
    },
  };
}
