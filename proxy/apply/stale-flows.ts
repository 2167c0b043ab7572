import { type Flow, forgetFlows } from "@raft2kube/linux/conntrack.ts";
import { reachableEndpoints } from "../plan/endpoints.ts";
import type { ServicePort } from "../plan/model.ts";
import type { StaleFlow } from "../plan/stale-flows.ts";

/** Endpoints in userspace mode, which forgets entries of its own; those of slices are none. */
const LINK_LOCAL = "169.254.";

/**
 * Deletes the conntrack entries of UDP that a plan names, and those that `strays` selects. Returns
 * their number.
 */
export function deleteStaleFlows(
  stale: readonly StaleFlow[],
  strays?: ((flow: Flow) => boolean) | undefined,
): number {
  if (stale.length === 0 && !strays) return 0;
  // By frontend, so that the kernel's table is read once for all changes.
  const byFrontend = new Map<string, StaleFlow[]>();
  for (const flow of stale) {
    const frontend = `${flow.to ?? "*"}:${flow.port}`;
    byFrontend.set(frontend, [...(byFrontend.get(frontend) ?? []), flow]);
  }
  return forgetFlows("udp", (flow) => {
    const { destination, destinationPort } = flow.original;
    const exact = byFrontend.get(`${destination}:${destinationPort}`) ?? [];
    const any = byFrontend.get(`*:${destinationPort}`) ?? [];
    return [...exact, ...any].some((candidate) => matches(flow, candidate)) ||
      strays?.(flow) === true;
  });
}

/**
 * Returns what selects the entries of these ports' frontends that lead to none of their endpoints:
 * a former process translated them, in another mode perhaps, or nothing did before the frontend was
 * served. Node ports are those of `nodeAddresses`. Undefined if no port is of UDP.
 */
export function straysOf(
  ports: Iterable<ServicePort | undefined>,
  nodeAddresses: Iterable<string>,
): ((flow: Flow) => boolean) | undefined {
  const own = [...nodeAddresses];
  const served = new Map<string, Set<string>>();
  for (const port of ports) {
    if (port?.transport !== "udp") continue;
    const external = [...port.clusterIps, ...port.externalIps].map((ip) => `${ip}:${port.port}`);
    const node = port.nodePort === undefined ? [] : own.map((ip) => `${ip}:${port.nodePort}`);
    for (const frontend of [...external, ...node]) {
      // Several Services may claim it: the entry may lead to the endpoints of any.
      const targets = served.get(frontend) ?? new Set();
      for (const { address, port: number } of reachableEndpoints(port)) {
        targets.add(`${address}:${number}`);
      }
      served.set(frontend, targets);
    }
  }
  if (served.size === 0) return undefined;
  return ({ original, reply }) => {
    const targets = served.get(`${original.destination}:${original.destinationPort}`);
    if (!targets || reply.source.startsWith(LINK_LOCAL)) return false;
    return !targets.has(`${reply.source}:${reply.sourcePort}`);
  };
}

function matches({ original, reply }: Flow, { target }: StaleFlow): boolean {
  // Not translated: the entry's destination is the Service's address itself.
  if (!target) return reply.source === original.destination;
  return reply.source === target.address && reply.sourcePort === target.port;
}
