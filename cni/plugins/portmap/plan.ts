import { isIP } from "node:net";
import { formatSubnet, subnetOf } from "../../lib/ip.ts";
import { addElement, type NftElement } from "../../lib/nft-elements.ts";
import type { CniResult, PortMapping } from "../../lib/types.ts";
import type { PortmapConfig } from "./config.ts";
import { hostInterfaces, isLoopback, LOCALNETS } from "./localnet.ts";

export const TABLE = "r2k-cni-portmap";

const LOOPBACK = "127.0.0.0/8";

const FAMILIES = [
  { family: 4, ip: "ip", type: "ipv4_addr" },
  { family: 6, ip: "ip6", type: "ipv6_addr" },
] as const;

/**
 * Returns table, maps and chains; idempotent. Host ports apply to received and local packets to an
 * address of this host. Ports on loopback addresses apply to local packets only, and only with such
 * a hostIP: they need route_localnet, which would expose services on 127.0.0.1 to neighbours and
 * containers (CVE-2020-8558). Therefore packets from or to 127.0.0.0/8 on other interfaces than lo
 * are dropped before conntrack translates replies to such an address.
 */
function tableRules(): string[] {
  const lines = [`add table inet ${TABLE}`];
  for (const { family, type } of FAMILIES) {
    const target = `${type} . inet_service`;
    lines.push(
      `add map inet ${TABLE} ports${family} ` + `{ type inet_proto . inet_service : ${target}; }`,
      `add map inet ${TABLE} hostports${family} ` +
        `{ type ${type} . inet_proto . inet_service : ${target}; }`,
      `add set inet ${TABLE} hairpins${family} { type ${type} . ${type}; flags interval; }`,
    );
  }
  lines.push(
    `add set inet ${TABLE} ${LOCALNETS} { type ifname . ipv4_addr; }`,
    `add chain inet ${TABLE} guard { type filter hook prerouting priority raw; }`,
    `add chain inet ${TABLE} prerouting { type nat hook prerouting priority dstnat; }`,
    `add chain inet ${TABLE} output { type nat hook output priority -100; }`,
    `add chain inet ${TABLE} ports`,
    `add chain inet ${TABLE} postrouting { type nat hook postrouting priority srcnat; }`,
  );
  for (const chain of ["guard", "prerouting", "output", "ports", "postrouting"]) {
    lines.push(`flush chain inet ${TABLE} ${chain}`);
  }
  lines.push(
    `add rule inet ${TABLE} guard iif != "lo" ip saddr ${LOOPBACK} drop`,
    `add rule inet ${TABLE} guard iif != "lo" ip daddr ${LOOPBACK} drop`,
    `add rule inet ${TABLE} output ip daddr ${LOOPBACK} ` +
      "dnat ip to ip daddr . meta l4proto . th dport map @hostports4",
  );
  for (const chain of ["prerouting", "output"]) {
    lines.push(
      `add rule inet ${TABLE} ${chain} ip daddr ${LOOPBACK} return`,
      `add rule inet ${TABLE} ${chain} fib daddr type local jump ports`,
    );
  }
  for (const { family, ip } of FAMILIES) {
    const port = "meta l4proto . th dport";
    lines.push(
      `add rule inet ${TABLE} ports dnat ${ip} to ${ip} daddr . ${port} map @hostports${family}`,
      `add rule inet ${TABLE} ports meta nfproto ipv${family} ` +
        `dnat ${ip} to ${port} map @ports${family}`,
      `add rule inet ${TABLE} postrouting ct status dnat ` +
        `${ip} saddr . ${ip} daddr @hairpins${family} masquerade`,
    );
  }
  return lines;
}

/**
 * Returns the elements of one container: a mapping per port and family, a hairpin pair per address,
 * and for ports on loopback addresses the masquerade of 127.0.0.0/8 and the host's interfaces.
 */
export function planElements(
  config: PortmapConfig,
  result: CniResult,
  comment: string,
): NftElement[] {
  const elements: NftElement[] = [];
  for (const { address } of result.ips ?? []) {
    const target = address.split("/")[0] ?? "";
    const family = isIP(target) === 6 ? 6 : 4;
    const mine = config.mappings.filter((mapping) => fits(mapping, family));
    for (const mapping of mine) elements.push(mappingElement(mapping, family, target, comment));
    if (!config.snat || mine.length === 0) continue;
    const everywhere = family === 4 ? "0.0.0.0/0" : "::/0";
    const from = config.masqAll ? everywhere : formatSubnet(subnetOf(address));
    const key = `${from} . ${target}`;
    elements.push({ set: `hairpins${family}`, key, value: "", comment });
    if (!mine.some(isLoopback)) continue;
    if (!config.masqAll) {
      elements.push({ set: "hairpins4", key: `${LOOPBACK} . ${target}`, value: "", comment });
    }
    for (const name of hostInterfaces(result)) {
      const pair = `${JSON.stringify(name)} . ${target}`;
      elements.push({ set: LOCALNETS, key: pair, value: "", comment });
    }
  }
  return elements;
}

/** Whether a mapping applies to a family: with a hostIP to that of the address only. */
function fits({ hostIP }: PortMapping, family: 4 | 6): boolean {
  return hostIP === undefined || isIP(hostIP) === family;
}

function mappingElement(
  { hostPort, containerPort, protocol, hostIP }: PortMapping,
  family: 4 | 6,
  target: string,
  comment: string,
): NftElement {
  const [set, key] =
    hostIP === undefined
      ? [`ports${family}`, `${protocol} . ${hostPort}`]
      : [`hostports${family}`, `${hostIP} . ${protocol} . ${hostPort}`];
  return { set, key, value: `${target} . ${containerPort}`, comment };
}

/** Returns the transaction that maps a container's ports. */
export function portmapRules(elements: readonly NftElement[]): string {
  const lines = [...tableRules(), ...elements.map((element) => addElement(TABLE, element))];
  return `${lines.join("\n")}\n`;
}
