import { addressBytes, addressText } from "../socket/address-bytes.ts";
import { attribute, parseAttributes, u8Attribute, u32Attribute } from "./attributes.ts";

const VXLAN = { ID: 1, LINK: 3, LOCAL: 4, LEARNING: 7, PORT: 15, UDP_CSUM: 18 } as const;

/** Attributes of a VXLAN link (linux/if_link.h, IFLA_VXLAN_*). */
export interface Vxlan {
  /** The network identifier, below 2^24. */
  vni: number;
  /** UDP port, of both ends. */
  port: number;
  /** Source address of sent packets; empty when the routes decide. */
  local: string;
  /** Index of the link below; 0 when the routes decide. */
  underlay: number;
  /** Whether the link learns hardware addresses from received packets. */
  learning: boolean;
}

/** The attributes of a new link. The outer UDP checksum is left out (RFC 7348, section 5). */
export function vxlanAttributes({ vni, port, local, underlay, learning }: Vxlan): Buffer[] {
  const portBytes = Buffer.alloc(2);
  portBytes.writeUInt16BE(port);
  return [
    u32Attribute(VXLAN.ID, vni),
    attribute(VXLAN.PORT, portBytes),
    ...(local === "" ? [] : [attribute(VXLAN.LOCAL, addressBytes(local))]),
    ...(underlay === 0 ? [] : [u32Attribute(VXLAN.LINK, underlay)]),
    u8Attribute(VXLAN.LEARNING, learning ? 1 : 0),
    u8Attribute(VXLAN.UDP_CSUM, 0),
  ];
}

/** Reads what the kernel says of a link; RangeError when it is cut off. */
export function parseVxlan(data: Buffer): Vxlan {
  const attributes = parseAttributes(data);
  const u32 = (type: number) => attributes.get(type)?.readUInt32LE() ?? 0;
  const local = attributes.get(VXLAN.LOCAL);
  return {
    vni: u32(VXLAN.ID),
    port: attributes.get(VXLAN.PORT)?.readUInt16BE() ?? 0,
    local: local ? addressText(local) : "",
    underlay: u32(VXLAN.LINK),
    learning: (attributes.get(VXLAN.LEARNING)?.[0] ?? 0) !== 0,
  };
}
