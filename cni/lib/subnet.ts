import { isIPv4 } from "node:net";
import { type Subnet, lastOf, parseIp, parseSubnet } from "./ip.ts";

/** Reads `10.244.1.0/24`; undefined for anything else, IPv6 included. */
export function ipv4Subnet(text: unknown): Subnet | undefined {
  if (typeof text !== "string") return undefined;
  const [address = "", prefix = ""] = text.split("/");
  if (!isIPv4(address) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32) return undefined;
  return parseSubnet(text, "subnet");
}

/** Whether all of `inner` is in `outer`. */
export function includes(outer: Subnet, inner: Subnet): boolean {
  return outer.network <= inner.network && lastOf(inner) <= lastOf(outer);
}

/** Whether `text` is an address that a node can have: not loopback, multicast or reserved. */
export function isUnicast(text: unknown): text is string {
  if (typeof text !== "string" || !isIPv4(text)) return false;
  const first = Number(text.split(".")[0]);
  return first > 0 && first !== 127 && first < 224;
}

/** Whether the subnet has the address. */
export function hasAddress(subnet: Subnet, address: string): boolean {
  const { value } = parseIp(address, "address");
  return subnet.network <= value && value <= lastOf(subnet);
}
