import { applyRuleset, nftTableComment } from "@raft2kube/linux/netfilter/nft.ts";
import { addAddress, deleteAddress, listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf, remedyOf } from "@raft2kube/std/errors.ts";
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_CLIENT_MAX,
  PORTS_OPENED_AT_ONCE,
  UDP_PORTS_PER_CLIENT_MAX,
} from "../../limits.ts";
import type { ServicePort, Target } from "../../plan/model.ts";
import { forgetKnownFlows } from "../known-flows.ts";
import { nftablesMode, nftablesRules } from "../nftables/apply.ts";
import {
  formerValues,
  notedValues,
  noteOf,
  type Parameter,
  type ParameterTraces,
  type ParameterValues,
  restoreParameters,
  setParameters,
} from "../parameters.ts";
import type { Mode, PortChanges, Rules, RulesOptions } from "../rules.ts";
import {
  ClientAddresses,
  hasClientRules,
  PROXY_ADDRESS,
  PROXY_CIDR,
  removeClientRules,
} from "./clients.ts";
import { PortNumbers, portNumbers } from "./port-numbers.ts";
import { Budget, type PortContext, type ProxyPort } from "./proxy-port.ts";
import { openTcpPort } from "./tcp-port.ts";
import { openUdpPort } from "./udp-port.ts";

const TABLE = "r2k-proxy-userspace";
/**
 * Lets a connection to an endpoint have the number of one that ended a second ago. Of a connection
 * whose client ends first, the side towards the endpoint keeps its number for a minute (TIME_WAIT):
 * 28,000 are all that there are to one endpoint. The kernel then takes 5 ms to find none.
 */
const REUSE: Parameter = { name: "net.ipv4.tcp_tw_reuse", ours: "1", initial: "2" };
const TRACES: ParameterTraces = { all: [REUSE], note, isPresent: hasAddress };
const BOUNDS = { most: CONNECTIONS_MAX, mostPerClient: CONNECTIONS_PER_CLIENT_MAX };

/** The proxy ports of a Service port: of all its endpoints, and of this node's. */
type Opened = { all: ProxyPort | undefined; local: ProxyPort | undefined };

/**
 * Makes the rules of userspace mode: frontends are translated to proxy ports of this process, which
 * choose the endpoints. To nftables a proxy port is the only endpoint of its Service port.
 */
function userspaceRules(options: RulesOptions): Rules {
  const { log } = options;
  let former: ParameterValues = new Map();
  const rules = rulesToPorts(options, () => noteOf(former));
  const opened = new Map<string, Opened>();
  const unopened = new Map<string, ServicePort>(); // each change tries them again
  const forgetClosed = closedForgetter(log);
  const { clients, open } = portOpener(options, unopened);
  const proxied = async (key: string, port: ServicePort | undefined) => {
    const known = opened.get(key) ?? { all: undefined, local: undefined };
    const wanted = port && served(port, log);
    // Kept while there are no endpoints: clients of UDP would keep using the old number.
    const next: Opened = wanted
      ? {
          all: known.all ?? (wanted.all ? await open(key, wanted.transport) : undefined),
          local: known.local ?? (wanted.local ? await open(key, wanted.transport) : undefined),
        }
      : { all: undefined, local: undefined };
    if (port && wanted && isWithout(wanted, next)) unopened.set(key, port);
    else unopened.delete(key);
    next.all?.update(port?.allEndpoints ?? [], port?.affinity_s, port?.keptEndpoints);
    next.local?.update(port?.localEndpoints ?? [], port?.affinity_s, port?.keptEndpoints);
    if (next.all ?? next.local) opened.set(key, next);
    else opened.delete(key);
    const unused = [known.all, known.local].filter((one) => one !== next.all && one !== next.local);
    return { port: wanted && port && translated(port, wanted, next), unused };
  };
  return {
    async rebuild(ports, apiServers) {
      rules.open();
      former = formerValues(TRACES.all, notedValues(TRACES, log, former));
      await putAddress(former, clients);
      const changes = new Map<string, ServicePort | undefined>();
      for (const key of [...opened.keys(), ...unopened.keys()]) changes.set(key, undefined);
      for (const port of ports) changes.set(port.key, port);
      const { result, unused } = await proxiedAll(changes, proxied);
      await rules.rebuild(
        [...result.values()].filter((port) => port !== undefined),
        apiServers,
      );
      setParameters(TRACES.all);
      closeAll(unused);
      await forgetClosed(opened);
    },
    async change(changes) {
      const { result, unused } = await proxiedAll(new Map([...unopened, ...changes]), proxied);
      await rules.change(result);
      closeAll(unused);
      // Else it takes longer than the change: the kernel waits at the end of its socket.
      if (unused.some(({ transport }) => transport === "udp")) await forgetClosed(opened);
    },
    intact: async () => hasAddress() && hasClientRules() && (await rules.intact()),
    conflicts: (key) => rules.conflicts(key),
    close() {
      closeAll(
        [...opened.values()].flatMap(({ all, local }) => [all, local]),
        true,
      );
      opened.clear();
      return rules.close();
    },
  };
}

type Proxied = { port: ServicePort | undefined; unused: (ProxyPort | undefined)[] };

async function proxiedAll(
  changes: PortChanges,
  proxied: (key: string, port: ServicePort | undefined) => Promise<Proxied>,
) {
  const result = new Map<string, ServicePort | undefined>();
  const unused: (ProxyPort | undefined)[] = [];
  const all = [...changes];
  for (let at = 0; at < all.length; at += PORTS_OPENED_AT_ONCE) {
    await Promise.all(
      all.slice(at, at + PORTS_OPENED_AT_ONCE).map(async ([key, port]) => {
        const done = await proxied(key, port);
        result.set(key, done.port);
        unused.push(...done.unused);
      }),
    );
  }
  return { result, unused: unused.filter((one) => one !== undefined) };
}

/** The rules that lead to proxy ports, in a table with that comment. */
const rulesToPorts = (options: RulesOptions, note: () => string) =>
  nftablesRules({ ...options, table: TABLE, masquerade: false, proxyAddress: PROXY_ADDRESS, note });

/**
 * Returns what opens proxy ports, with numbers of the namespace that the first is in, and the
 * addresses that they connect from. One that cannot be opened is logged unless it is `known`, and
 * is no reason not to serve the others.
 */
function portOpener(
  { clock, log, clusterCidr }: RulesOptions,
  known: ReadonlyMap<string, unknown>,
) {
  const clients = new ClientAddresses(clusterCidr);
  const context = { clock, log, clients, budget: new Budget({ ...BOUNDS, clock, log }) };
  let opening: ReturnType<typeof openers> | undefined;
  const open = async (key: string, transport: "tcp" | "udp") => {
    try {
      opening ??= openers(context);
      return await opening[transport]();
    } catch (thrown) {
      const words = "a Service port has no proxy port, and is refused until one is free";
      if (known.has(key)) return undefined;
      const [error, remedy] = [messageOf(thrown), remedyOf(thrown)];
      log.error(words, { port: key, error, remedy });
      return undefined;
    }
  };
  return { clients, open };
}

/** Returns what opens a proxy port of each transport, with a number of its own. */
function openers(context: PortContext) {
  const { budget: within, ...others } = context;
  const { clock, log } = others;
  const { listeners, udpClients } = portNumbers(
    readSysctl("net.ipv4.ip_local_port_range"),
    readSysctl("net.ipv4.ip_local_reserved_ports"),
  );
  const [tcp, udp] = [new PortNumbers(listeners), new PortNumbers(listeners)];
  const mostPerClient = UDP_PORTS_PER_CLIENT_MAX;
  const budget = new Budget({ clock, log, most: udpClients, mostPerClient, within });
  const ofUdp = { ...others, budget };
  return {
    tcp: () => tcp.open((number) => openTcpPort(PROXY_ADDRESS, context, number)),
    udp: () => udp.open((number) => openUdpPort(PROXY_ADDRESS, ofUdp, number)),
  };
}

/** Whether a proxy port is missing that the Service port needs. */
const isWithout = (wanted: Wanted, { all, local }: Opened) =>
  (wanted.all && !all) || (wanted.local && !local);

/** Closes ports to which the rules no longer lead; connections continue, unless they end `now`. */
function closeAll(unused: readonly (ProxyPort | undefined)[], now = false): void {
  for (const one of unused) one?.close(now);
}

/**
 * Returns what makes UDP clients choose again whose proxy port is closed. The first call concerns
 * all: their ports were a former process's, whose numbers other Services may have now.
 */
function closedForgetter(
  log: RulesOptions["log"],
): (opened: ReadonlyMap<string, Opened>) => Promise<void> {
  const forget = forgetKnownFlows(log);
  let isFirst = true;
  return async (opened) => {
    const ports = isFirst ? [] : [...opened.values()].flatMap(({ all, local }) => [all, local]);
    // A listener of TCP may have the number of a UDP port that is closed.
    const open = new Set(ports.filter((one) => one?.transport === "udp").map((one) => one?.port));
    const isOurs = (source: string) => source === PROXY_ADDRESS;
    await forget("udp", ({ reply }) => isOurs(reply.source) && !open.has(reply.sourcePort));
    isFirst = false;
  };
}

/** The proxy ports that a Service port needs. */
type Wanted = { transport: "tcp" | "udp"; all: boolean; local: boolean };

/** Returns undefined if this mode does not serve the port. */
function served(
  { key, transport, allEndpoints, localEndpoints, ...policies }: ServicePort,
  log: RulesOptions["log"],
): Wanted | undefined {
  if (transport === "sctp") {
    log.warn("SCTP is not served in userspace mode", { port: key });
    return undefined;
  }
  const usesLocal = policies.internalLocal || policies.externalLocal;
  return { transport, all: allEndpoints.length > 0, local: usesLocal && localEndpoints.length > 0 };
}

/** The Service port as nftables serves it. The proxy ports see each client's own address. */
function translated(port: ServicePort, wanted: Wanted, { all, local }: Opened): ServicePort {
  const target = (one: ProxyPort | undefined): Target[] =>
    one ? [{ address: PROXY_ADDRESS, port: one.port }] : [];
  return {
    ...port,
    affinity_s: undefined,
    allEndpoints: wanted.all ? target(all) : [],
    localEndpoints: wanted.local ? target(local) : [],
    unplacedEndpoints: [],
  };
}

/** Returns the table's note; that of a table without one is as good as deleted. */
function note(): string | undefined {
  return nftTableComment("ip", TABLE) || undefined;
}

/**
 * Adds the address, whose presence without a note means that this was deleted: the note comes
 * first, in an empty table, however long it takes until the rules are there.
 */
async function putAddress(former: ParameterValues, clients: ClientAddresses): Promise<void> {
  if (note() === undefined) {
    const noted = `table ip ${TABLE} {\n  comment "${noteOf(former)}"\n}\n`;
    await applyRuleset(`add table ip ${TABLE}\ndelete table ip ${TABLE}\n${noted}`);
  }
  using route = openRoute();
  addAddress(route, getLink(route, "lo").index, PROXY_CIDR);
  await clients.rebuild();
}

function deleteOwnAddress(): void {
  using route = openRoute();
  deleteAddress(route, getLink(route, "lo").index, PROXY_CIDR);
}

function hasAddress(): boolean {
  using route = openRoute();
  return listAddresses(route).some(({ cidr }) => cidr === PROXY_CIDR);
}

const table = nftablesMode(TABLE);

/** The mode whose connections pass this process. */
export const USERSPACE_MODE: Mode = {
  create: userspaceRules,
  isPresent: async () => hasAddress() || (await table.isPresent()),
  async remove() {
    const log = logger("proxy");
    restoreParameters(TRACES.all, notedValues(TRACES, log));
    deleteOwnAddress();
    await removeClientRules();
    await applyRuleset(`add table ip ${TABLE}\nflush table ip ${TABLE}\n`);
    await closedForgetter(log)(new Map());
    // Last: it has the note. A removal that was interrupted is found by it, and repeated.
    await table.remove();
  },
};
