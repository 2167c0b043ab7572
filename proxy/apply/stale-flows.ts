import { type Flow, forgetFlows } from "@raft2kube/linux/conntrack.ts";
import { reachableEndpoints } from "../plan/endpoints.ts";
import type { ServicePort, Target } from "../plan/model.ts";
import type { StaleFlow } from "../plan/stale-flows.ts";

/** Endpoints in userspace mode, which forgets entries of its own; those of slices are none. */
const LINK_LOCAL = "169.254.";

/**
 * Deletes the conntrack entries of UDP that a plan names, and those that `strays` selects. Returns
 * their number. `forget` deletes them.
 */
export function deleteStaleFlows(
  stale: readonly StaleFlow[],
  strays?: ((flow: Flow) => boolean) | undefined,
  forget: typeof forgetFlows = forgetFlows,
): number {
  if (stale.length === 0 && !strays) return 0;
  // By frontend, so that the kernel's table is read once for all changes.
  const byFrontend = new Map<string, StaleFlow[]>();
  for (const flow of stale) {
    const frontend = `${flow.to ?? "*"}:${flow.port}`;
    byFrontend.set(frontend, [...(byFrontend.get(frontend) ?? []), flow]);
  }
  return forget("udp", (flow) => {
    const { destination, destinationPort } = flow.original;
    const exact = byFrontend.get(`${destination}:${destinationPort}`) ?? [];
    const any = byFrontend.get(`*:${destinationPort}`) ?? [];
    return [...exact, ...any].some((candidate) => matches(flow, candidate)) ||
      strays?.(flow) === true;
  });
}

/**
 * Returns what selects the entries of the frontends of `applied` that lead to no endpoint of any of
 * `all` ports that claims them: a former process translated them, in another mode perhaps, or
 * nothing did before the frontend was served. Node ports are those of `nodeAddresses`. Undefined if
 * none of `applied` is of UDP.
 */
export function straysOf(
  applied: Iterable<ServicePort | undefined>,
  all: Iterable<ServicePort>,
  nodeAddresses: ReadonlySet<string>,
): ((flow: Flow) => boolean) | undefined {
  const served = new Map<string, Set<string>>();
  for (const port of applied) {
    for (const frontend of frontendsOf(port, nodeAddresses)) served.set(frontend, new Set());
  }
  if (served.size === 0) return undefined;
  for (const port of all) {
    for (const frontend of frontendsOf(port, nodeAddresses)) {
      const targets = served.get(frontend);
      if (targets) for (const target of reachableEndpoints(port)) targets.add(textOf(target));
    }
  }
  return ({ original, reply }) => {
    const targets = served.get(`${original.destination}:${original.destinationPort}`);
    if (!targets || reply.source.startsWith(LINK_LOCAL)) return false;
    return !targets.has(textOf({ address: reply.source, port: reply.sourcePort }));
  };
}

const textOf = ({ address, port }: Target) => `${address}:${port}`;

/** Where clients of UDP send to. */
function frontendsOf(port: ServicePort | undefined, nodeAddresses: ReadonlySet<string>): string[] {
  if (port?.transport !== "udp") return [];
  const { clusterIps, externalIps, nodePort } = port;
  const own = nodePort === undefined ? [] : [...nodeAddresses];
  return [
    ...[...clusterIps, ...externalIps].map((address) => textOf({ address, port: port.port })),
    ...own.map((address) => `${address}:${nodePort}`),
  ];
}

function matches({ original, reply }: Flow, { target }: StaleFlow): boolean {
  // Not translated: the entry's destination is the Service's address itself.
  if (!target) return reply.source === original.destination;
  return reply.source === target.address && reply.sourcePort === target.port;
}
