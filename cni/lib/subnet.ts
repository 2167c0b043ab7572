import { isIPv4 } from "node:net";
import { contains, parseIp, parseSubnet, type Subnet } from "./ip.ts";

export { includes } from "@raft2kube/std/ip.ts";

/** Reads `10.244.1.0/24`; undefined for anything else, IPv6 included. */
export function ipv4Subnet(text: unknown): Subnet | undefined {
  if (typeof text !== "string") return undefined;
  const [address = "", prefix = ""] = text.split("/");
  if (!isIPv4(address) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32) return undefined;
  return parseSubnet(text, "subnet");
}

/** Whether `text` is an address that a node can have: not loopback, multicast or reserved. */
export function isUnicast(text: unknown): text is string {
  if (typeof text !== "string" || !isIPv4(text)) return false;
  const first = Number(text.split(".")[0]);
  return first > 0 && first !== 127 && first < 224;
}

/** Whether the subnet has the address. */
export function hasAddress(subnet: Subnet, address: string): boolean {
  return contains(subnet, parseIp(address, "address"));
}
