import { parseFlow } from "@raft2kube/linux/netfilter/conntrack.ts";
import { parseAddress } from "@raft2kube/linux/netlink/address.ts";
import {
  attribute,
  nest,
  textAttribute,
  u8Attribute,
  u32Attribute,
} from "@raft2kube/linux/netlink/attributes.ts";
import { parseLink } from "@raft2kube/linux/netlink/link.ts";
import { decodeBody, messagesOf, NetlinkError } from "@raft2kube/linux/netlink/messages.ts";
import { parseNeighbour } from "@raft2kube/linux/netlink/neighbour-messages.ts";
import { parseRoute } from "@raft2kube/linux/netlink/route.ts";
import { parseQdisc } from "@raft2kube/linux/netlink/traffic-control.ts";
import type { Target } from "../target.ts";

const HEADER_BYTES = 16;

function message(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const padded = Buffer.alloc((HEADER_BYTES + body.length + 3) & ~3);
  padded.writeUInt32LE(HEADER_BYTES + body.length, 0);
  padded.writeUInt16LE(type, 4);
  body.copy(padded, HEADER_BYTES);
  return padded;
}

const ip = (last: number) => Buffer.from([10, 0, 0, last]);
const port = (number: number) => Buffer.from([number >> 8, number & 0xff]);
const tuple = (type: number, from: number, to: number) =>
  nest(
    type,
    nest(1, attribute(1, ip(from)), attribute(2, ip(to))),
    nest(2, u8Attribute(1, 17), attribute(2, port(5353)), attribute(3, port(53))),
  );

/** Bodies of the kernel's answers: RTM_NEWLINK, NEWNEIGH, NEWADDR, NEWROUTE, NEWQDISC, CT_NEW. */
const ANSWERS = [
  message(
    16,
    Buffer.alloc(16),
    textAttribute(3, "eth0"),
    attribute(1, Buffer.alloc(6, 2)),
    u32Attribute(4, 1500),
    nest(18, textAttribute(1, "veth")),
  ),
  message(
    16,
    Buffer.alloc(16),
    textAttribute(3, "flannel.1"),
    nest(
      18,
      textAttribute(1, "vxlan"),
      nest(2, u32Attribute(1, 1), attribute(15, port(8472)), attribute(4, ip(1))),
    ),
  ),
  message(28, Buffer.alloc(12), attribute(1, ip(2)), attribute(2, Buffer.alloc(6, 2))),
  message(20, Buffer.from([2, 24, 0, 0, 1, 0, 0, 0]), attribute(2, ip(1))),
  message(
    24,
    Buffer.from([2, 24, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0]),
    attribute(1, ip(0)),
    attribute(5, ip(1)),
    u32Attribute(4, 2),
    nest(8, u32Attribute(2, 1400)),
  ),
  message(
    36,
    Buffer.alloc(20),
    textAttribute(1, "tbf"),
    nest(2, attribute(1, Buffer.alloc(36, 1))),
  ),
  message(256, Buffer.from([2, 0, 0, 0]), tuple(1, 1, 2), tuple(2, 2, 1)),
];
const DECODERS: readonly ((body: Buffer) => unknown)[] = [
  parseLink,
  parseQdisc,
  parseAddress,
  parseRoute,
  parseFlow,
  parseNeighbour,
];

/** Datagrams of the kernel: names and addresses in them are what others chose. */
export const netlinkAnswer: Target = {
  name: "netlink-answer",
  corpus: async () => [...ANSWERS, Buffer.concat(ANSWERS)],
  async read(bytes) {
    let refused = false;
    for (const decode of DECODERS) {
      try {
        for (const { body } of messagesOf(bytes, "fuzz")) decodeBody(body, "fuzz", decode);
      } catch (thrown) {
        if (!(thrown instanceof NetlinkError && thrown.code === "EBADMSG")) throw thrown;
        refused = true;
      }
    }
    return refused ? "refused" : "taken";
  },
};
