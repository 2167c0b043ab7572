import type { ServicePort, Target } from "./model.ts";

/**
 * Connections the kernel remembers that lead where they should no longer: those of UDP, which have
 * no end by which a client would notice.
 */
export interface StaleFlow {
  transport: "udp";
  /** The address that the client sent to; undefined: any, for node ports. */
  to: string | undefined;
  port: number;
  /** The endpoint that answered; undefined: nobody did, the packets went nowhere. */
  target: Target | undefined;
}

/**
 * What became stale as one Service port changed; `undefined` stands for: it was not, or is gone.
 */
export function staleFlows(
  before: ServicePort | undefined,
  after: ServicePort | undefined,
): StaleFlow[] {
  const port = before ?? after;
  if (!port || port.transport !== "udp") return [];
  const old = before?.everywhere ?? [];
  const now = after?.everywhere ?? [];
  const same = (a: Target) => (b: Target) => a.address === b.address && a.port === b.port;
  const gone: (Target | undefined)[] = old.filter((target) => !now.some(same(target)));
  // Packets sent while there was no endpoint left entries that lead nowhere.
  if (old.length === 0 && now.length > 0) gone.push(undefined);
  return gone.flatMap((target) => [
    ...frontsOf(before ?? after).map((to) => ({ to, port: port.port })),
    ...(port.nodePort === undefined ? [] : [{ to: undefined, port: port.nodePort }]),
  ].map((front): StaleFlow => ({ transport: "udp", ...front, target })));
}

function frontsOf(port: ServicePort | undefined): string[] {
  return port ? [...port.clusterIps, ...port.externalIps] : [];
}
