import { isErrno } from "@raft2kube/std/errors.ts";
import { parseAttributes, textAttribute } from "./attributes.ts";
import { NetlinkError } from "./messages.ts";
import { NETLINK_GENERIC, NetlinkSocket } from "./netlink.ts";

const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR = { FAMILY_ID: 1, FAMILY_NAME: 2 } as const;
const HEADER_BYTES = 4;

/** A message of generic netlink: the command, its version, attributes (linux/genetlink.h). */
export function genericMessage(command: number, version: number, ...attributes: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([command, version, 0, 0]), ...attributes]);
}

/** The attributes of such a message. */
export function genericAttributes(body: Buffer): Map<number, Buffer> {
  return parseAttributes(body, HEADER_BYTES);
}

/**
 * Opens a socket and finds the number of a family. NetlinkError ENOENT if the kernel lacks it and
 * has no module of it.
 */
export function openGeneric(family: string): { socket: NetlinkSocket; family: number } {
  const socket = new NetlinkSocket(NETLINK_GENERIC);
  try {
    const name = textAttribute(CTRL_ATTR.FAMILY_NAME, family);
    const body = genericMessage(CTRL_CMD_GETFAMILY, 1, name);
    const [answer] = socket.request(GENL_ID_CTRL, 0, body, `find netlink family ${family}`);
    const id = answer && genericAttributes(answer.body).get(CTRL_ATTR.FAMILY_ID);
    if (!id) throw new NetlinkError("EBADMSG", `netlink family ${family} has no number`);
    return { socket, family: id.readUInt16LE() };
  } catch (thrown) {
    socket[Symbol.dispose]();
    if (!isErrno(thrown, "ENOENT")) throw thrown;
    throw new NetlinkError("ENOENT", `this kernel has no netlink family ${family}`);
  }
}
