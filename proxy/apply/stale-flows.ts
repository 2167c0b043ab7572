import { type Flow, forgetFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import { keyOf, type ServicePort } from "../plan/model.ts";
import { type StaleFlow, servingEndpoints } from "../plan/stale-flows.ts";

/** Endpoints in userspace mode, which forgets entries of its own; those of slices are none. */
const LINK_LOCAL = "169.254.";

type Selection = ((flow: Flow) => boolean) | undefined;

/**
 * Deletes the conntrack entries of UDP that a plan names, but those of `kept`, and those that
 * `strays` selects. Resolves with their number. `forget` deletes them.
 */
export function deleteStaleFlows(
  stale: readonly StaleFlow[],
  {
    strays,
    kept,
    forget = forgetFlows,
  }: { strays?: Selection; kept?: Selection; forget?: typeof forgetFlows } = {},
): Promise<number> {
  if (stale.length === 0 && !strays) return Promise.resolve(0);
  // By frontend, so that the kernel's table is read once for all changes.
  const byFrontend = Map.groupBy(stale, ({ to = "*", port }) => keyOf({ address: to, port }));
  return forget("udp", (flow) => {
    const { destination, destinationPort } = flow.original;
    const exact = byFrontend.get(`${destination}:${destinationPort}`) ?? [];
    const any = byFrontend.get(`*:${destinationPort}`) ?? [];
    const isNamed = [...exact, ...any].some((named) => matches(flow, named));
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
    const targets = served(frontendOf(flow));
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
    (to === undefined ? [...nodeAddresses] : [to]).map((address) => keyOf({ address, port })),
  );
  const served = claimedEndpoints(frontends, all, nodeAddresses);
  return (flow) => served(frontendOf(flow))?.has(targetOf(flow)) === true;
}

/**
 * Returns what looks up the endpoints of all ports that claim one of the frontends. They are listed
 * for the first entry that asks: few frontends have any.
 */
function claimedEndpoints(
  frontends: readonly string[],
  all: Iterable<ServicePort>,
  nodeAddresses: ReadonlySet<string>,
): (frontend: string) => ReadonlySet<string> | undefined {
  const claimants = new Map(frontends.map((frontend) => [frontend, [] as ServicePort[]]));
  for (const port of all) {
    for (const frontend of frontendsOf(port, nodeAddresses)) claimants.get(frontend)?.push(port);
  }
  const listed = new Map<string, ReadonlySet<string>>();
  return (frontend) => {
    const ports = claimants.get(frontend);
    const targets =
      listed.get(frontend) ?? (ports && new Set(ports.flatMap(servingEndpoints).map(keyOf)));
    if (targets) listed.set(frontend, targets);
    return targets;
  };
}

const frontendOf = ({ original }: Flow) =>
  keyOf({ address: original.destination, port: original.destinationPort });
const targetOf = ({ reply }: Flow) => keyOf({ address: reply.source, port: reply.sourcePort });

/** Where clients of UDP send to. */
function frontendsOf(port: ServicePort | undefined, nodeAddresses: ReadonlySet<string>): string[] {
  if (port?.transport !== "udp") return [];
  const { clusterIps, externalIps, nodePort } = port;
  const own = nodePort === undefined ? [] : [...nodeAddresses];
  return [
    ...[...clusterIps, ...externalIps].map((address) => keyOf({ address, port: port.port })),
    ...own.map((address) => `${address}:${nodePort}`),
  ];
}

function matches(flow: Flow, { targets, untranslated }: StaleFlow): boolean {
  // Not translated: the entry's destination is the Service's address itself.
  const isUntranslated = flow.reply.source === flow.original.destination;
  return targets.has(targetOf(flow)) || (untranslated && isUntranslated);
}
