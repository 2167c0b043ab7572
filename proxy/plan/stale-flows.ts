import { keyOf, type ServicePort, type Target } from "./model.ts";

/**
 * Conntrack entries of UDP that no longer match the rules. A UDP client does not notice that its
 * endpoint is gone, and its packets keep the entry alive.
 */
export interface StaleFlow {
  transport: "udp";
  /** The client's destination address; undefined for node ports, which every address has. */
  to: string | undefined;
  port: number;
  /** The endpoints that are gone, as `keyOf` names them. */
  targets: ReadonlySet<string>;
  /** Whether entries without an endpoint are stale: they were made before the first one. */
  untranslated: boolean;
}

/**
 * Returns the endpoints whose flows stay: all that serve, whether new connections go to them or not
 * (upstream: conntrack.CleanStaleEntries).
 */
export const servingEndpoints = (port: ServicePort | undefined): Target[] =>
  port ? [...port.allEndpoints, ...port.keptEndpoints] : [];

/** Returns the entries that a change of one Service port makes stale. `undefined`: no port. */
export function staleFlows(
  before: ServicePort | undefined,
  after: ServicePort | undefined,
): StaleFlow[] {
  // lab:14a begin stale-flows
  const port = before ?? after;
  if (!port || port.transport !== "udp") return [];
  const old = new Set(servingEndpoints(before).map(keyOf));
  const now = new Set(servingEndpoints(after).map(keyOf));
  const targets = old.difference(now);
  // Packets sent while there was no endpoint have entries without translation.
  const untranslated = old.size === 0 && now.size > 0;
  if (targets.size === 0 && !untranslated) return [];
  const addresses = [...port.clusterIps, ...port.externalIps];
  return [
    ...addresses.map((to) => ({ to, port: port.port })),
    ...(port.nodePort === undefined ? [] : [{ to: undefined, port: port.nodePort }]),
  ].map((frontend): StaleFlow => ({ transport: "udp", ...frontend, targets, untranslated }));
  // lab:14a end
}
