import { closeSync, fchownSync } from "node:fs";
import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { attachMountAt, cloneMountAt } from "@raft2kube/linux/mount/mount-tree.ts";
import { sendDescriptor } from "@raft2kube/linux/process/process-calls.ts";
import { unixAddress } from "@raft2kube/linux/socket/socket.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { AF_UNIX, SOCK_STREAM, TIOCGPTN, TIOCSWINSZ } from "@raft2kube/linux/syscall/numbers.ts";
import type { OciProcess } from "../oci/spec.ts";
import { ByHandError } from "./error.ts";
import { directoryWithoutLinks, makeFile } from "./inside.ts";

const O_RDWR_NOCTTY = 0o402;
const TIOCSPTLCK = 0x40045431;
const TIOCSCTTY = 0x540e;
const TIOCGPTPEER = 0x5441;
const DEVPTS = 0x1cd1n;
/** More than a struct statfs has; its first field is the type. */
const STATFS_BYTES = 256;

/** Connects to the socket that waits for a terminal; before the machine's files are left. */
export function connectConsole(path: string): number {
  const fd = check("socket", libc.socket(AF_UNIX, SOCK_STREAM, 0), path);
  const address = unixAddress(path);
  check("connect", libc.connect(fd, address, address.length), path);
  return fd;
}

/**
 * Makes a terminal of the container's own devpts, sends its master, and puts the other side on the
 * standard streams, as the controlling terminal. `console` also shows it at /dev/console.
 */
export function takeTerminal(
  socket: number,
  { user, consoleSize }: OciProcess,
  options: { console: boolean },
): void {
  using terminals = directoryWithoutLinks("/dev/pts");
  requireTerminals(terminals);
  const master = terminals.open("ptmx", O_RDWR_NOCTTY, { oneMount: true });
  check("ioctl", libc.ioctl(master, TIOCSPTLCK, Buffer.alloc(4)), "unlock the terminal");
  const number = Buffer.alloc(4);
  check("ioctl", libc.ioctl(master, TIOCGPTN, number), "the terminal's number");
  const name = `/dev/pts/${number.readUInt32LE()}`;
  const slave = check("ioctl", libc.ioctlNumber(master, TIOCGPTPEER, O_RDWR_NOCTTY), name);
  fchownSync(slave, user.uid, -1);
  if (consoleSize) {
    const size = Buffer.alloc(8);
    size.writeUInt16LE(consoleSize.height, 0);
    size.writeUInt16LE(consoleSize.width, 2);
    check("ioctl", libc.ioctl(slave, TIOCSWINSZ, size), "the terminal's size");
  }
  if (options.console) {
    using devices = directoryWithoutLinks("/dev");
    using place = makeFile(devices, "console", 0o600);
    using shown = terminals.handle(String(number.readUInt32LE()));
    attachMountAt(cloneMountAt(shown.fd), place.fd);
  }
  sendDescriptor(socket, master, name);
  closeSync(master);
  closeSync(socket);
  check("ioctl", libc.ioctl(slave, TIOCSCTTY, Buffer.alloc(4)), "the controlling terminal");
  for (const fd of [0, 1, 2]) check("dup3", libc.dup3(slave, fd, 0), name);
  closeSync(slave);
}

/** Names in another file system, of a volume at /dev, may be links or other devices. */
function requireTerminals(directory: Directory): void {
  const status = Buffer.alloc(STATFS_BYTES);
  check("fstatfs", libc.fstatfs(directory.fd, status), "/dev/pts");
  if (status.readBigUInt64LE() === DEVPTS) return;
  throw new ByHandError("invalid", "a terminal needs a devpts of the container at /dev/pts");
}
