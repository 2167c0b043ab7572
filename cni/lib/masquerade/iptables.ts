import { iptablesMasquerades } from "@raft2kube/linux/netfilter/iptables.ts";
import { CniError } from "../errors.ts";
import { familyOf, formatSubnet, subnetOf } from "../ip.ts";
import {
  addOwnedRules,
  deleteOwnedRules,
  listOwnedRules,
  type OwnedRule,
  type SharedChains,
} from "../iptables-rules.ts";
import { ownerComment } from "../owner.ts";
import type { PluginCall } from "../skel.ts";
import type { ResultIp } from "../types.ts";
import type { MasqueradeBackend } from "./backend.ts";

const CHAIN = "R2K-CNI-MASQ";
const CHAINS: SharedChains = { names: [CHAIN], rules: [`-A POSTROUTING -j ${CHAIN}`] };

/** One chain of iptables; each container is two rules per address, of IPv4 only. */
export const iptablesMasquerade: MasqueradeBackend = {
  async add(call, ips) {
    const six = ips.find(({ address }) => familyOf(address) === 6);
    if (six) {
      const what = `ipMasqBackend iptables does not masquerade ${six.address}: IPv4 only`;
      throw new CniError("unsupported-field", what);
    }
    const rules = ips.flatMap((ip) => rulesOf(call, ip));
    // Rules for the address that an attachment has left which was never deleted.
    const sources = ips.map((ip) => `-A ${CHAIN} ${sourceOf(ip)} `);
    const left = (await listOwnedRules(CHAINS)).filter(({ line }) =>
      sources.some((source) => line.startsWith(source)),
    );
    if (left.length > 0) {
      await deleteOwnedRules(CHAINS, (comment) => left.some((rule) => rule.comment === comment));
    }
    await addOwnedRules(CHAINS, rules);
  },

  delete: (stale) => deleteOwnedRules(CHAINS, stale),

  async missing(call, ips) {
    const present = await listOwnedRules(CHAINS);
    return ips.find((ip) =>
      rulesOf(call, ip).some(
        ({ matches, comment }) =>
          !present.some((rule) => rule.comment === comment && rule.line.includes(` ${matches} `)),
      ),
    );
  },
};

const sourceOf = ({ address }: ResultIp) => `-s ${address.split("/")[0]}/32`;

function rulesOf(call: PluginCall, ip: ResultIp): OwnedRule[] {
  const comment = ownerComment(call.network, call.containerId, call.ifName);
  const source = sourceOf(ip);
  const own = `${source} -d ${formatSubnet(subnetOf(ip.address))}`;
  return [
    { chain: CHAIN, matches: own, target: "RETURN", comment },
    ...iptablesMasquerades().map(({ match, target }) => ({
      chain: CHAIN,
      matches: `${source} ! -d 224.0.0.0/4${match}`,
      target,
      comment,
    })),
  ];
}
