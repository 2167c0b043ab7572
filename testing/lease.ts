import { closeSync, constants, openSync } from "node:fs";
import { constants as os } from "node:os";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";

const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_WRLCK = 1;

/**
 * Takes a lease on a file (fcntl(2)), as a pod's program may: a process that opens the file without
 * O_NONBLOCK waits until the lease is disposed of, 45 s at most.
 */
export function leaseOn(file: string): Disposable {
  const fd = openSync(file, constants.O_RDONLY);
  // The kernel signals its holder: SIGIO, by default, would end this process.
  check("fcntl", libc.fcntl(fd, F_SETSIG, os.signals.SIGURG), file);
  check("fcntl", libc.fcntl(fd, F_SETLEASE, F_WRLCK), file);
  return { [Symbol.dispose]: () => closeSync(fd) };
}
