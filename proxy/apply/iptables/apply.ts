import type { Iptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { IptablesSession } from "@raft2kube/linux/netfilter/iptables-session.ts";
import { generationOf } from "@raft2kube/linux/netfilter/nft.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "@raft2kube/linux/netlink/netlink.ts";
import {
  RESTORE_CALLS_MAX,
  RESTORE_END_MS_MAX,
  RESTORE_IDLE_MS,
  RESTORE_MS_MAX,
} from "../../limits.ts";
import type { ServicePort } from "../../plan/model.ts";
import { externalReservation } from "../external-reservation.ts";
import { FrontendOwners } from "../frontend-owners.ts";
import type { Mode, Rules, RulesOptions } from "../rules.ts";
import { baseRules, LAYOUT } from "./base.ts";
import { renderPort } from "./fragment.ts";
import { TablesState } from "./state.ts";
import { finder, hasLayout, portsAtOnce, removeLayout, saveTables } from "./tables.ts";

const LIMITS = {
  idle_ms: RESTORE_IDLE_MS,
  callsMax: RESTORE_CALLS_MAX,
  transaction_ms: RESTORE_MS_MAX,
  end_ms: RESTORE_END_MS_MAX,
};

/** The programs of a namespace, and the sessions that stay open between transactions. */
interface Open {
  tools: Iptables;
  session: IptablesSession;
  /** Asks for the ruleset's generation; the legacy tables have none. */
  netfilter: NetlinkSocket | undefined;
}

const generationNow = ({ netfilter }: Open) => netfilter && generationOf(netfilter);

/** Makes the rules of kube-proxy's iptables mode. */
function iptablesRules(options: RulesOptions): Rules {
  const { clusterCidr, nodePortAddresses, clock, log } = options;
  let owners = new FrontendOwners(() => false);
  const base = baseRules(nodePortAddresses, clusterCidr);
  let state = new TablesState(LAYOUT, base);
  let opened: Open | undefined;
  /** The ruleset's generation with our rules; undefined: not compared since others changed it. */
  let generation: number | undefined;

  const find = finder();
  const open = async (): Promise<Open> => {
    if (opened) return opened;
    const tools = await find();
    log.debug("iptables", { kind: tools.kind });
    const session = new IptablesSession(tools.kind, clock, LIMITS);
    const netfilter = tools.kind === "nft" ? new NetlinkSocket(NETLINK_NETFILTER) : undefined;
    opened = { tools, session, netfilter };
    return opened;
  };
  const rendered = function* (ports: ReadonlyMap<string, ServicePort | undefined>) {
    for (const [key, port] of ports) if (port) yield [key, renderPort(port, clusterCidr)] as const;
  };

  return {
    async rebuild(ports, apiServers) {
      // The programs read the tables while this process decides which ports have their frontends.
      const opening = open();
      const reading = opening.then(({ tools }) => saveTables(tools));
      reading.catch(() => {});
      generation = undefined;
      owners = new FrontendOwners(externalReservation(apiServers, clusterCidr));
      const granted = owners.change(new Map(ports.map((port) => [port.key, port])));
      const [{ tools, session }, saved] = await Promise.all([opening, reading]);
      const next = (state = new TablesState(LAYOUT, base, portsAtOnce(tools)));
      const transactions = function* () {
        yield* next.begin(rendered(granted), saved);
        yield* next.end(saved);
      };
      await session.restore(transactions());
    },
    async change(changes) {
      const fragments = [...owners.change(changes)].map(
        ([key, port]) => [key, port && renderPort(port, clusterCidr)] as const,
      );
      const transactions = state.change(new Map(fragments));
      if (transactions.length === 0) return;
      const now = await open();
      const before = generationNow(now);
      await now.session.restore(transactions);
      if (before === undefined || before !== generation) return;
      const after = before + transactions.length;
      generation = generationNow(now) === after ? after : undefined;
    },
    async intact() {
      const now = await open();
      const found = generationNow(now);
      if (found !== undefined && found === generation) return true;
      const saved = await saveTables(now.tools);
      if (!state.isIntact(saved)) return false;
      generation = saved.hasNamesAlone ? undefined : found;
      return true;
    },
    conflicts: (key) => owners.conflicts(key),
    async close() {
      await opened?.session.close();
      opened?.netfilter?.[Symbol.dispose]();
      opened = undefined;
    },
  };
}

/** The mode of chains named as upstream's, in the tables nat and filter. */
export const IPTABLES_MODE: Mode = {
  create: iptablesRules,
  isPresent: () => hasLayout(LAYOUT),
  remove: () => removeLayout(LAYOUT),
};
