import { findIptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { CniError } from "../../lib/errors.ts";
import { familyOf, formatSubnet, subnetOf } from "../../lib/ip.ts";
import {
  addOwnedRules,
  deleteOwnedRules,
  listOwnedRules,
  type OwnedRule,
  type SharedChains,
} from "../../lib/iptables-rules.ts";
import type { CniResult, PortMapping } from "../../lib/types.ts";
import type { Backend } from "./backend.ts";
import type { PortmapConfig } from "./config.ts";
import { isLoopback } from "./localnet.ts";

const [DNAT, SETMARK, MASQ] = ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"];
const MARK = "0x2000/0x2000";

/**
 * Chains with the reference plugin's names and mark. As with nftables, ports apply to received and
 * local packets to an address of this host; those to 127.0.0.0/8 are left alone.
 */
const CHAINS: SharedChains = {
  names: [DNAT, SETMARK, MASQ],
  rules: [
    `-A ${SETMARK} -j MARK --set-xmark ${MARK}`,
    `-A ${MASQ} -m mark --mark ${MARK} -j MASQUERADE`,
    `-A PREROUTING -m addrtype --dst-type LOCAL -j ${DNAT}`,
    `-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j ${DNAT}`,
    `-A POSTROUTING -j ${MASQ}`,
  ],
};

/**
 * Returns the rules of one container: for each port the marking of connections from its own subnet
 * and the translation. Error 2 for mappings that only nftables has here.
 */
function planRules(
  { mappings, snat, masqAll }: PortmapConfig,
  result: CniResult,
  comment: string,
): OwnedRule[] {
  const refused = mappings.find((mapping) => isLoopback(mapping) || mapping.hostIP?.includes(":"));
  if (refused) {
    const what = `portmap: hostIP ${refused.hostIP} is not supported by backend iptables`;
    throw new CniError("unsupported-field", what);
  }
  const addresses = (result.ips ?? []).map(({ address }) => address);
  return addresses
    .filter((address) => familyOf(address) === 4)
    .flatMap((address) =>
      mappings.flatMap((mapping) => {
        const matches = matchesOf(mapping);
        const from = masqAll ? "" : `-s ${formatSubnet(subnetOf(address))} `;
        const marking = { chain: DNAT, matches: `${from}${matches}`, target: SETMARK, comment };
        const to = `${address.split("/")[0]}:${mapping.containerPort}`;
        const target = `DNAT --to-destination ${to}`;
        return [...(snat ? [marking] : []), { chain: DNAT, matches, target, comment }];
      }),
    );
}

function matchesOf({ hostIP, protocol, hostPort }: PortMapping): string {
  const to = hostIP === undefined ? "" : `-d ${hostIP}/32 `;
  return `${to}-p ${protocol} -m ${protocol} --dport ${hostPort}`;
}

/** Chains of iptables in the nat table, for IPv4; a mapping is a pair of rules. */
export const iptablesBackend: Backend = {
  async add(config, result, comment) {
    const rules = planRules(config, result, comment);
    if (rules.length === 0) return;
    await refuseTaken(rules);
    await addOwnedRules(CHAINS, rules);
  },

  delete: (stale) => deleteOwnedRules(CHAINS, stale),

  async check(config, result, comment) {
    const present = await listOwnedRules(CHAINS);
    for (const { matches, target } of planRules(config, result, comment)) {
      const isThere = present.some(({ line, comment: owner }) => {
        return owner === comment && line.includes(` ${matches} `) && line.endsWith(`-j ${target}`);
      });
      if (!isThere) throw new CniError("check-failed", `port mapping "${matches}" is gone`);
    }
  },

  async probe() {
    await findIptables();
  },
};

/** Error 11 for a port of another container. */
async function refuseTaken(rules: readonly OwnedRule[]): Promise<void> {
  const present = await listOwnedRules(CHAINS);
  for (const { matches, target, comment } of rules) {
    if (target === SETMARK) continue;
    const other = present.find(({ line, comment: owner }) => {
      return owner !== comment && line.startsWith(`-A ${DNAT} ${matches} `);
    });
    if (!other) continue;
    const to = other.line.replace(/^.* --to-destination /, "");
    const what = `host port ${matches.replace(/^.*--dport /, "")} is already mapped to ${to}`;
    throw new CniError("try-again", what);
  }
}
