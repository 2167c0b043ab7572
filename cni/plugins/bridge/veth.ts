import { randomBytes } from "node:crypto";
import { addAddress, deleteAddress, listAddresses } from "@raft2kube/linux/netlink/address.ts";
import {
  createBridge,
  deleteLink,
  getLink,
  type Link,
  setBridgePort,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import type { NetlinkSocket } from "@raft2kube/linux/netlink/netlink.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import { familyOf } from "../../lib/ip.ts";
import { disableRouteLearning } from "../../lib/route-learning.ts";
import {
  type ContainerInterface,
  createPair,
  enableForwarding,
  type VethPair,
} from "../../lib/veth.ts";
import type { BridgeConfig } from "./config.ts";

/** Returns a random locally administered unicast address (IEEE 802: bit 1 set, bit 0 clear). */
function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfe) | 0x02;
  return bytes.toString("hex").replace(/..(?!$)/g, "$&:");
}

/**
 * Creates the bridge if missing, with the configuration's MTU, and sets it up, with
 * disableRouteLearning. Error 7 (invalid-config) if the name is another kind of link.
 */
export function ensureBridge(route: NetlinkSocket, config: BridgeConfig): Link {
  // lab:12 begin ensure-bridge
  const { bridge: name, mtu, promiscuous } = config;
  const size = mtu === undefined ? {} : { mtu };
  try {
    // A bridge without a fixed address changes it when ports are added and removed.
    createBridge(route, { name, mac: randomMac(), ...size });
  } catch (thrown) {
    if (!isErrno(thrown, "EEXIST")) throw thrown; // made by an earlier or a concurrent ADD
  }
  const link = getLink(route, name);
  if (link.kind !== "bridge") {
    const what = `link ${name} is of kind ${link.kind || "device"}, not a bridge`;
    throw new CniError("invalid-config", what);
  }
  disableRouteLearning(name);
  setLink(route, link, { up: true, ...(promiscuous ? { promiscuous } : {}) });
  return getLink(route, name);
  // lab:12 end
}

/** Connects the container to the bridge by a veth pair. The container end stays down. */
export function connect(
  route: NetlinkSocket,
  bridge: Link,
  config: BridgeConfig,
  inside: ContainerInterface,
): VethPair {
  const { mtu, mac, hairpin, isolated } = config;
  const pair = createPair(route, inside, { mtu, mac, master: bridge.index });
  if (!hairpin && !isolated) return pair;
  try {
    setBridgePort(route, pair.host, { hairpin, isolated });
    return pair;
  } catch (thrown) {
    deleteLink(route, pair.host.name);
    throw thrown;
  }
}

/**
 * Makes the bridge the gateway: gives it these addresses, and lets the host forward packets.
 * Another IPv4 address on it is error 7, or with `force` (`forceAddress`) all others are deleted;
 * an IPv6 link may have several. Of two IPv4 gateways the second finds the first as such another
 * one.
 */
export function ensureGateway(
  route: NetlinkSocket,
  bridge: Link,
  gateways: readonly string[],
  force: boolean,
): void {
  // lab:12 begin ensure-gateway
  for (const cidr of gateways) {
    const present = listAddresses(route, bridge.index).map((address) => address.cidr);
    if (present.includes(cidr)) continue;
    // IPv6 links may have several addresses.
    const isOther = (address: string) => familyOf(address) === 4 && familyOf(cidr) === 4;
    const others = present.filter(isOther);
    if (others.length > 0 && !force) {
      const what = `bridge ${bridge.name} has the address ${others[0]}, the gateway is ${cidr}`;
      throw new CniError("invalid-config", what, { remedy: "set forceAddress, or another bridge" });
    }
    for (const other of others) deleteAddress(route, bridge.index, other);
    addAddress(route, bridge.index, cidr);
  }
  enableForwarding(gateways);
  // lab:12 end
}
