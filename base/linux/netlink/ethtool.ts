import { closeSync } from "node:fs";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import koffi from "../syscall/koffi.ts";
import { check, libc } from "../syscall/libc.ts";
import { AF_INET } from "../syscall/numbers.ts";

const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCETHTOOL = 0x8946;
/** linux/ethtool.h: get and set whether a link's transmit checksums are left to it. */
const ETHTOOL = { GTXCSUM: 0x16, STXCSUM: 0x17 } as const;
const IFNAMSIZ = 16;
const IFREQ_BYTES = 40;

function call(link: string, command: number, value: number): number {
  const fd = check("socket", libc.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), "for ethtool");
  try {
    const argument = Buffer.alloc(8);
    argument.writeUInt32LE(command, 0);
    argument.writeUInt32LE(value, 4);
    const request = Buffer.alloc(IFREQ_BYTES);
    request.write(link.slice(0, IFNAMSIZ - 1));
    request.writeBigUInt64LE(koffi.address(argument), IFNAMSIZ);
    check("ioctl", libc.ioctl(fd, SIOCETHTOOL, request), `SIOCETHTOOL of ${link}`);
    return argument.readUInt32LE(4);
  } finally {
    closeSync(fd);
  }
}

/** Whether checksums of sent packets are offloaded to a link; undefined without such a setting. */
export function transmitChecksum(link: string): boolean | undefined {
  return tolerateSync(() => call(link, ETHTOOL.GTXCSUM, 0) !== 0, errno("EOPNOTSUPP"));
}

/**
 * Sets whether checksums of sent packets are offloaded to a link (`ethtool -K LINK tx on`). Returns
 * false when it was so already, or when the link has no such setting.
 */
export function setTransmitChecksum(link: string, offload: boolean): boolean {
  const is = transmitChecksum(link);
  if (is === undefined || is === offload) return false;
  call(link, ETHTOOL.STXCSUM, offload ? 1 : 0);
  return true;
}
