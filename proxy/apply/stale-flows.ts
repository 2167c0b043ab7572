import { type Flow, forgetFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import { reachableEndpoints } from "../plan/endpoints.ts";
import type { ServicePort, Target } from "../plan/model.ts";
import type { StaleFlow } from "../plan/stale-flows.ts";

/** Endpoints in userspace mode, which forgets entries of its own; those of slices are none. */
const LINK_LOCAL = "169.254.";

type Selection = ((flow: Flow) => boolean) | undefined;

/**
 * Deletes the conntrack entries of UDP that a plan names, but those of `kept`, and those that
 * `strays` selects. Returns their number. `forget` deletes them.
 */
export function deleteStaleFlows(
  stale: readonly StaleFlow[],
  { strays, kept, forget = forgetFlows }: {
    strays?: Selection; kept?: Selection; forget?: typeof forgetFlows;
  } = {},
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
    const isNamed = [...exact, ...any].some((candidate) => matches(flow, candidate));
    return (isNamed && !kept?.(flow)) || strays?.(flow) === true;
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
): Selection {
  const frontends = [...applied].flatMap((port) => frontendsOf(port, nodeAddresses));
  if (frontends.length === 0) return undefined;
  const served = claimedEndpoints(frontends, all, nodeAddresses);
  return (flow) => {
    const targets = served.get(frontendOf(flow));
    if (!targets || flow.reply.source.startsWith(LINK_LOCAL)) return false;
    return !targets.has(targetOf(flow));
  };
}

/**
 * Returns what selects the entries of the frontends of `stale` that lead to an endpoint of any of
 * `all` ports that claims them: a change of one claimant ends no flow of another's endpoint.
 */
export function keptOf(
  stale: readonly StaleFlow[],
  all: Iterable<ServicePort>,
  nodeAddresses: ReadonlySet<string>,
): Selection {
  if (stale.length === 0) return undefined;
  const frontends = stale.flatMap(({ to, port }) =>
    (to === undefined ? [...nodeAddresses] : [to]).map((address) => textOf({ address, port })));
  const served = claimedEndpoints(frontends, all, nodeAddresses);
  return (flow) => served.get(frontendOf(flow))?.has(targetOf(flow)) === true;
}

/** Returns the endpoints of all ports that claim each of the frontends. */
function claimedEndpoints(
  frontends: readonly string[],
  all: Iterable<ServicePort>,
  nodeAddresses: ReadonlySet<string>,
): Map<string, Set<string>> {
  const claimed = new Map(frontends.map((frontend) => [frontend, new Set<string>()]));
  for (const port of all) {
    for (const frontend of frontendsOf(port, nodeAddresses)) {
      const targets = claimed.get(frontend);
      if (targets) for (const target of reachableEndpoints(port)) targets.add(textOf(target));
    }
  }
  return claimed;
}

const frontendOf = ({ original }: Flow) =>
  textOf({ address: original.destination, port: original.destinationPort });
const targetOf = ({ reply }: Flow) => textOf({ address: reply.source, port: reply.sourcePort });

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
