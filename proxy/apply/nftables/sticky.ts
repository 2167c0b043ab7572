import { createHash } from "node:crypto";
import type { ServicePort, Target } from "../../plan/model.ts";
import { AFFINITY_CLIENTS } from "../../limits.ts";
import { HIDE } from "./base.ts";
import type { Fragment } from "./fragment.ts";
import type { Leads } from "./fronts.ts";
import { exceptions } from "./plain.ts";

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/**
 * A port with session affinity: each endpoint has a set of its clients, which the kernel fills and
 * forgets by itself, and a chain that puts a client into it.
 */
export function renderSticky(
  port: ServicePort,
  clusterCidr: string | undefined,
  fragment: Fragment,
): Leads {
  const { everywhere, here } = port;
  const id = digest(port.key);
  const inside = port.internalLocal ? here : everywhere;
  const leads = { clusterIp: `svc-${id}`, externalIp: `ext-${id}`, nodePort: `ext-${id}` };
  if (inside.length > 0) {
    const hide = clusterCidr ? [`ip saddr != ${clusterCidr} jump ${HIDE}`] : [];
    fragment.chains.set(leads.clusterIp, [...hide, ...keep(port, inside, fragment)]);
  }
  const external = port.nodePort !== undefined || port.externalIps.length > 0;
  if (!external || everywhere.length === 0) return leads;
  if (!port.externalLocal) {
    fragment.chains.set(leads.externalIp, [`jump ${HIDE}`, ...keep(port, everywhere, fragment)]);
    return leads;
  }
  const whole = `all-${id}`;
  fragment.chains.set(whole, keep(port, everywhere, fragment));
  fragment.chains.set(leads.externalIp, [
    ...exceptions(whole, clusterCidr),
    ...(here.length > 0 ? keep(port, here, fragment) : ["drop"]),
  ]);
  return leads;
}

/** The rules that lead a client to its endpoint, or choose one; makes the chains they lead to. */
function keep(port: ServicePort, targets: readonly Target[], fragment: Fragment): string[] {
  const { transport, affinity_s } = port;
  const names = targets.map(({ address, port: to }) => {
    const name = digest(`${port.key} ${address}:${to} ${affinity_s}`);
    fragment.sets.set(
      `clients-${name}`,
      `type ipv4_addr; size ${AFFINITY_CLIENTS}; flags dynamic, timeout; timeout ${affinity_s}s;`,
    );
    fragment.chains.set(`ep-${name}`, [
      `update @clients-${name} { ip saddr }`,
      `meta l4proto ${transport} dnat to ${address}:${to}`,
    ]);
    return name;
  });
  const choices = names.map((name, at) => `${at} : goto ep-${name}`).join(", ");
  return [
    ...names.map((name) => `ip saddr @clients-${name} goto ep-${name}`),
    `numgen random mod ${names.length} vmap { ${choices} }`,
  ];
}
