import { guardPodSources } from "@raft2kube/cni/node/port-guard.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { hostDevice, hostRepair, underlayNetns } from "../apply/network.ts";
import { clientAs } from "../pki/client-as.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { apiServers } from "../spec/control-planes.ts";
import { isOwnBalanced, nodeRange } from "../spec/nodes.ts";
import { startNodeApprovals } from "./node-approvals.ts";
import { type NodeRoutes, startNodeRoutes } from "./node-routes.ts";
import type { Parts } from "./started-parts.ts";

/** Starts what the host of a cluster has of it: node ports, ways to pods and Services, approvals for nodes. */
export async function startHostParts(config: ClusterConfig, parts: Parts): Promise<void> {
  await startLoopbackPorts(config, parts);
  await startHostRoutes(config, parts);
  await parts.start("approvals", async () => startNodeApprovals(config, systemClock()));
}

/** Node ports answer where one tries them first: on localhost. */
async function startLoopbackPorts(config: ClusterConfig, parts: Parts): Promise<void> {
  const { startHostPorts } = await import("@raft2kube/proxy/localhost/main.ts");
  await parts.start("host ports", async () => {
    const clock = systemClock();
    const client = await clientAs(config, "proxy", clock, { userAgent: "r2k-host-ports" });
    return startHostPorts({ client, clock, serviceCidr: config.serviceCidr });
  });
}

/** The host reaches pods by their nodes, and Services by any node that is ready. */
async function startHostRoutes(config: ClusterConfig, parts: Parts): Promise<void> {
  const { podCidr, serviceCidr, hostAddress: source, nodeAddress: gateway } = config;
  const clock = systemClock();
  const routes = await parts.start("host routes", async () => {
    const userAgent = "r2k-routes";
    return startNodeRoutes({
      client: await clientAs(config, "proxy", clock, { userAgent }),
      device: hostDevice(config),
      source,
      scope: {
        nodeRange: nodeRange(config),
        podCidr,
        shared: [serviceCidr, podCidr],
        gateway,
        others: [...apiServers(config).values()],
      },
      keep: hostRepair(config),
      guard: (ranges) => guardPodSources(underlayNetns(config), podCidr, ranges),
      clock,
    });
  });
  await parts.start("load balancer", () => startHostBalance(config, routes, clock));
}

/** The host reaches the cluster's own addresses of load balancers by the nodes that carry them. */
async function startHostBalance(config: ClusterConfig, routes: NodeRoutes, clock: Clock) {
  const { startBalance } = await import("@raft2kube/proxy/balance/main.ts");
  return startBalance({
    client: await clientAs(config, "proxy", clock, { userAgent: "r2k-balance" }),
    apply(carriers) {
      // No others: a Service must not take the host's traffic to addresses elsewhere.
      const own = [...carriers].filter(([address]) => isOwnBalanced(config, address));
      routes.setFurther(new Map(own.map(([to, { address }]) => [`${to}/32`, address])));
    },
    log: logger("balance"),
    clock,
  });
}
