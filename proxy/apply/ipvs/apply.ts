import { type IpsetEntry, Ipsets } from "@raft2kube/linux/netfilter/ipset.ts";
import { Ipvs } from "@raft2kube/linux/netfilter/ipvs.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { RULES_MAX } from "../../limits.ts";
import type { ServicePort } from "../../plan/model.ts";
import { externalReservation } from "../external-reservation.ts";
import { FrontendOwners } from "../frontend-owners.ts";
import { TablesState } from "../iptables/state.ts";
import { finder, removeLayout, saveTables } from "../iptables/tables.ts";
import type { ParameterValues } from "../parameters.ts";
import type { Mode, Rules, RulesOptions } from "../rules.ts";
import {
  changeAddresses,
  deviceAddresses,
  hasDevice,
  nodePortAddresses,
  removeDevice,
} from "./device.ts";
import { FRESH_SET, ipvsRules, LAYOUT, SET_TYPES, SETS, type SetName } from "./layout.ts";
import { formerParameters, giveParametersBack, takeParameters } from "./parameters.ts";
import { deleteAllServers, hasServers, VirtualServers } from "./servers.ts";
import { IpvsState, type Steps } from "./state.ts";
import { wantedOf } from "./wanted.ts";

/** IPVS schedulers of upstream's documentation. */
const SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq"];
const SET_NAMES = Object.keys(SET_TYPES) as SetName[];
/** The sets without whose entries an address of a load balancer admits all clients. */
const GUARDS: readonly SetName[] = [SETS.guarded, SETS.admitted];

/** Makes the rules of kube-proxy's IPVS mode. CodedError `unknown-scheduler`. */
function ipvsRulesOf(options: RulesOptions): Rules {
  const { clusterCidr, clock, log, ipvsScheduler: scheduler = "rr", strictArp = false } = options;
  if (!SCHEDULERS.includes(scheduler)) {
    const remedy = `use one of ${SCHEDULERS.join(", ")}`;
    throw new CodedError("unknown-scheduler", `no IPVS scheduler ${scheduler}`, { remedy });
  }
  let owners = new FrontendOwners(() => false);
  let state = new IpvsState();
  let nodeAddresses: string[] = [];
  let former: ParameterValues = new Map();
  const tables = new TablesState(LAYOUT, ipvsRules(clusterCidr));
  const servers = new VirtualServers(clock, log);
  const find = finder();
  const steps = (ports: ReadonlyMap<string, ServicePort | undefined>) => {
    const wanted = [...ports].map(([key, port]) => {
      return [key, port && wantedOf(port, { scheduler, nodeAddresses })] as const;
    });
    return state.change(new Map(wanted));
  };
  return {
    async rebuild(ports, apiServers) {
      requireIpvs();
      former = takeParameters(strictArp, former, log);
      owners = new FrontendOwners(externalReservation(apiServers, clusterCidr));
      state = new IpvsState();
      nodeAddresses = nodePortAddresses(options.nodePortAddresses);
      const granted = owners.change(new Map(ports.map((port) => [port.key, port])));
      const { entries } = steps(granted);
      servers.removeOthers(state.servers()); // before the source ranges that guard them
      await inSlices(replaceSets(entries.added));
      const tools = await find();
      await tools.restore(tables.rebuild([], await saveTables(tools)));
      // Destinations before addresses: a packet of an address without them is refused.
      await servers.change([...state.servers().values()], []);
      const wanted = state.addresses();
      const others = [...deviceAddresses()].filter((address) => !wanted.has(address));
      changeAddresses(wanted, others);
    },
    async change(changes) {
      const done: Steps = steps(owners.change(changes));
      const isGuard = ([set]: SetEntries[number]) => GUARDS.includes(set);
      const removed = [...done.entries.removed];
      await inSlices(
        changeSets(
          removed.filter((one) => !isGuard(one)),
          [...done.entries.added],
        ),
      );
      await servers.change(done.servers.set, done.servers.removed);
      // Last: the virtual servers that they guard were there until now.
      await inSlices(changeSets(removed.filter(isGuard), []));
      changeAddresses(done.addresses.added, done.addresses.removed);
    },
    async intact() {
      if (!hasDevice() || !hasSets(state.entryCounts())) return false;
      if (!(await servers.isIntact(state.servers()))) return false;
      const found = deviceAddresses();
      if ([...state.addresses()].some((address) => !found.has(address))) return false;
      const now = nodePortAddresses(options.nodePortAddresses);
      if (now.join() !== nodeAddresses.join()) return false;
      return tables.isIntact(await saveTables(await find()));
    },
    conflicts: (key) => owners.conflicts(key),
    close() {
      servers.close();
      return Promise.resolve();
    },
  };
}

function requireIpvs(): void {
  try {
    using ipvs = new Ipvs();
    ipvs.servers();
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT", "EPERM")) throw thrown;
    const start = isErrno(thrown, "EPERM") ? "start as root of the machine" : "modprobe ip_vs";
    const remedy = `${start}, or use another proxy mode`;
    throw new CodedError("no-ipvs", messageOf(thrown), { remedy, cause: thrown });
  }
}

/** Whether the kernel's sets have as many entries as were applied. */
function hasSets(counts: ReadonlyMap<SetName, number>): boolean {
  using sets = new Ipsets();
  return SET_NAMES.every((name) => sets.size(name) === (counts.get(name) ?? 0));
}

/** Replaces the entries of each set in one step, however many turns of the event loop it takes. */
function* replaceSets(entries: Steps["entries"]["added"]): Generator<void, void> {
  using sets = new Ipsets();
  sets.destroy(FRESH_SET); // of a process that was killed
  for (const name of SET_NAMES) {
    yield;
    for (const set of [name, FRESH_SET]) sets.create(set, SET_TYPES[name], RULES_MAX);
    yield* sets.add(FRESH_SET, entries.get(name) ?? []);
    sets.swap(FRESH_SET, name);
    sets.destroy(FRESH_SET);
  }
}

type SetEntries = readonly (readonly [SetName, readonly IpsetEntry[]])[];

function* changeSets(removed: SetEntries, added: SetEntries): Generator<void, void> {
  using sets = new Ipsets();
  for (const [name, entries] of removed) yield* sets.remove(name, entries);
  for (const [name, entries] of added) yield* sets.add(name, entries);
}

/** The mode of virtual servers in the kernel. */
export const IPVS_MODE: Mode = {
  create: ipvsRulesOf,
  isPresent: () => Promise.resolve(hasDevice() || hasServers()),
  async remove() {
    // First: the virtual servers are what shows that a device was deleted by hand.
    const former = formerParameters(logger("proxy"));
    deleteAllServers();
    await removeLayout(LAYOUT);
    using sets = new Ipsets();
    for (const name of [...SET_NAMES, FRESH_SET]) sets.destroy(name);
    giveParametersBack(former);
    // Last: a removal that was interrupted is found by it, and repeated.
    removeDevice();
  },
};
