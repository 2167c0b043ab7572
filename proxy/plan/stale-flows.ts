import type { ServicePort, Target } from "./model.ts";

/**
 * Conntrack entries of UDP that no longer match the rules. A UDP client does not notice that its
 * endpoint is gone, and its packets keep the entry alive.
 */
export interface StaleFlow {
  transport: "udp";
  /** The client's destination address; undefined: any, for node ports. */
  to: string | undefined;
  port: number;
  /** The endpoint; undefined: the entry has none, it was made before the first endpoint. */
  target: Target | undefined;
}

/** Returns the entries that a change of one Service port makes stale. `undefined`: no port. */
export function staleFlows(
  before: ServicePort | undefined,
  after: ServicePort | undefined,
): StaleFlow[] {
  // lab:14 begin stale-flows
  const port = before ?? after;
  if (!port || port.transport !== "udp") return [];
  const old = before?.allEndpoints ?? [];
  const now = after?.allEndpoints ?? [];
  const same = (a: Target) => (b: Target) => a.address === b.address && a.port === b.port;
  const removed: (Target | undefined)[] = old.filter((target) => !now.some(same(target)));
  // Packets sent while there was no endpoint have entries without translation.
  if (old.length === 0 && now.length > 0) removed.push(undefined);
  return removed.flatMap((target) => [
    ...addressesOf(before ?? after).map((to) => ({ to, port: port.port })),
    ...(port.nodePort === undefined ? [] : [{ to: undefined, port: port.nodePort }]),
  ].map((frontend): StaleFlow => ({ transport: "udp", ...frontend, target })));
  // lab:14 end
}

function addressesOf(port: ServicePort | undefined): string[] {
  return port ? [...port.clusterIps, ...port.externalIps] : [];
}
