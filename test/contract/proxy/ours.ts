import { logger } from "@raft2kube/observe/log.ts";
import { modeNamed } from "@raft2kube/proxy/apply/modes.ts";
import type { Rules } from "@raft2kube/proxy/apply/rules.ts";
import { deleteStaleFlows } from "@raft2kube/proxy/apply/stale-flows.ts";
import { HealthChecks } from "@raft2kube/proxy/health-checks.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import { staleFlows } from "@raft2kube/proxy/plan/stale-flows.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CLUSTER_CIDR } from "../../../testing/network/node-network.ts";
import { planOf } from "../../../testing/plan-of.ts";
import { type Implementation, NODE_NAME, NODE_ZONE, type Served } from "./implementation.ts";
import { SCTP } from "./sctp-rule.ts";

const LOCAL_DROP = "internalTrafficPolicy Local drops without an endpoint of this node";
const RETRY = "a connection that an endpoint refuses is tried at another";
const ONE_PACKET_AT_A_TIME = "the kernel chooses the endpoint before it answers; upstream too";

/** Features that a mode of ours lacks; `proxy/README.md` has the same rows. */
const REFUSES: Readonly<Record<ModeName, Implementation["refuses"]>> = {
  nftables: { [RETRY]: ONE_PACKET_AT_A_TIME },
  iptables: {
    [RETRY]: ONE_PACKET_AT_A_TIME,
    "a port of a cluster IP that no Service has is refused at once":
      "it is left to routing; upstream too",
  },
  ipvs: {
    [RETRY]: ONE_PACKET_AT_A_TIME,
    [LOCAL_DROP]: "IPVS refuses, it does not drop, without a destination",
    "externalTrafficPolicy Local drops without an endpoint of this node":
      "IPVS refuses, it does not drop, without a destination; upstream uses other nodes' then",
    "externalTrafficPolicy Local: pods and the node use all endpoints":
      "a virtual server has the same destinations for every client; upstream too",
    "affinity ends after its timeout":
      "IPVS keeps a client while its closed connections are remembered, two minutes",
  },
  userspace: {
    [SCTP.name]: "Node has no SCTP; a line in the log",
    "externalTrafficPolicy Local keeps the client's address":
      "connections are made by the proxy: endpoints see the node's address",
    "external addresses with externalTrafficPolicy Local keep the client's address":
      "connections are made by the proxy: endpoints see the node's address",
  },
};

/** The rules of one mode with the plan, without a loop: a change has taken effect when it ends. */
export function ours(mode: ModeName): Implementation {
  return { name: mode, refuses: REFUSES[mode], start: (addresses) => start(mode, addresses) };
}

async function start(mode: ModeName, nodePortAddresses?: string[]): Promise<Served> {
  const log = logger("proxy-test");
  const rules = modeNamed(mode).create({
    clusterCidr: CLUSTER_CIDR,
    nodePortAddresses,
    clock: systemClock(),
    log,
  });
  const healthChecks = new HealthChecks(() => true, { log, clock: systemClock() });
  await rules.rebuild([], []);
  const applied = new Map<string, Map<string, ServicePort>>();
  return {
    async set(service, slice) {
      const { ports, healthCheck } = planOf(service, [slice], NODE_NAME, undefined, NODE_ZONE);
      const now = new Map(ports.map((port) => [port.key, port]));
      await change(rules, applied.get(service.metadata.name ?? ""), now);
      applied.set(service.metadata.name ?? "", now);
      healthChecks.update(service.metadata.name ?? "", healthCheck);
    },
    async remove(name) {
      await change(rules, applied.get(name), new Map());
      applied.delete(name);
      healthChecks.update(name, undefined);
    },
    async close() {
      healthChecks.close();
      await rules.close();
      await modeNamed(mode).remove();
    },
  };
}

async function change(
  rules: Rules,
  before: ReadonlyMap<string, ServicePort> = new Map(),
  now: ReadonlyMap<string, ServicePort>,
): Promise<void> {
  const keys = new Set([...before.keys(), ...now.keys()]);
  await rules.change(new Map([...keys].map((key) => [key, now.get(key)])));
  for (const key of keys) await deleteStaleFlows(staleFlows(before.get(key), now.get(key)));
}
