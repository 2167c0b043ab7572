import { closeSync, constants, openSync } from "node:fs";
import { check, libc } from "../syscall/libc.ts";
import { O_CLOEXEC } from "../syscall/numbers.ts";

const TUNSETIFF = 0x400454ca;
/** linux/if_tun.h: packets without a link header, and without a header of their own. */
const IFF = { TUN: 0x1, NO_PI: 0x1000 } as const;
const IFREQ_BYTES = 40;
const NAME_BYTES = 15;

/**
 * Makes the link `name` in the network namespace that this thread is in. Packets that the kernel
 * routes to it are read from the descriptor, which does not block, one at a time; packets that are
 * written to it come in by the link. The link goes with the descriptor. EBUSY when another process
 * has it open.
 */
export function openTun(name: string): number {
  const fd = openSync("/dev/net/tun", constants.O_RDWR | constants.O_NONBLOCK | O_CLOEXEC);
  try {
    const request = Buffer.alloc(IFREQ_BYTES);
    request.write(name.slice(0, NAME_BYTES));
    request.writeUInt16LE(IFF.TUN | IFF.NO_PI, 16);
    check("ioctl", libc.ioctl(fd, TUNSETIFF, request), `TUNSETIFF of ${name}`);
    return fd;
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}
