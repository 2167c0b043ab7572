import { CniError } from "./errors.ts";
import type { MasqueradeBackend } from "./masquerade/backend.ts";
import { iptablesMasquerade } from "./masquerade/iptables.ts";
import { nftablesMasquerade } from "./masquerade/nftables.ts";
import { isStale, ownerComment } from "./owner.ts";
import type { PluginCall } from "./skel.ts";
import type { PluginConfig, ResultIp, ValidAttachment } from "./types.ts";

const BACKENDS: Readonly<Record<string, MasqueradeBackend>> = {
  nftables: nftablesMasquerade,
  iptables: iptablesMasquerade,
};

/** The option `ipMasqBackend`; error 2 for one that is not implemented. */
export function masqueradeBackend({
  type,
  ipMasqBackend = "nftables",
}: PluginConfig): MasqueradeBackend {
  const found = Object.entries(BACKENDS).find(([name]) => name === ipMasqBackend)?.[1];
  if (found) return found;
  const what = `${type}: ipMasqBackend ${JSON.stringify(ipMasqBackend)} is not supported`;
  const known = Object.keys(BACKENDS).join(" and ");
  throw new CniError("unsupported-field", `${what}, ${known} are`);
}

/** Masquerades the container's addresses, in the namespace of this thread. */
export function addMasquerade(call: PluginCall, ips: readonly ResultIp[]): Promise<void> {
  return masqueradeBackend(call.config).add(call, ips);
}

/** Deletes what masquerades the container. */
export function deleteMasquerade(call: PluginCall): Promise<void> {
  const mine = ownerComment(call.network, call.containerId, call.ifName);
  return masqueradeBackend(call.config).delete((comment) => comment === mine);
}

/** Deletes what masquerades attachments of this network that are not valid. */
export function deleteStaleMasquerade(call: PluginCall, valid: ValidAttachment[]): Promise<void> {
  const isGone = (comment: string) => isStale(comment, call.network, valid);
  return masqueradeBackend(call.config).delete(isGone);
}

/** Error 102 if an address of the container is not masqueraded. */
export async function requireMasquerade(call: PluginCall, ips: readonly ResultIp[]): Promise<void> {
  const missing = await masqueradeBackend(call.config).missing(call, ips);
  if (missing) throw new CniError("check-failed", `${missing.address} is not masqueraded`);
}
