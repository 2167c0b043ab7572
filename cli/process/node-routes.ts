import { isDeepStrictEqual } from "node:util";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import {
  applyRoutes,
  planRoutes,
  type RoutedNode,
  type RoutesScope,
} from "@raft2kube/cni/node/node-routes.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { startRepairLoop } from "./repair-loop.ts";
import type { Closable } from "./started-parts.ts";

/** Pause after routes could not be set. */
export const RETRY_MS = 1_000;

export interface NodeRoutesOptions {
  /** Client under an identity that may list and watch nodes; closed here. */
  readonly client: KubeClient;
  /** The link to the nodes, and the own address on it. */
  readonly device: string;
  readonly source: string;
  readonly scope: RoutesScope;
  /** Puts back what else the host needs; resolves with whether something was missing. */
  readonly keep: () => Promise<boolean>;
  /** Takes the ranges of the nodes' pods, each with its node's address, when they change. */
  readonly guard?: (ranges: ReadonlyMap<string, string>) => Promise<void>;
  readonly clock: Clock;
}

/** Routes to nodes that are kept. */
export interface NodeRoutes extends Closable {
  /** Sets further destinations, each with the address of its node; a node must be a known one. */
  setFurther(routes: ReadonlyMap<string, string>): void;
}

/**
 * Keeps the routes of this network namespace to the pods of all nodes, and its rules, until it is
 * closed.
 */
export function startNodeRoutes(options: NodeRoutesOptions): NodeRoutes {
  const log = logger("routes");
  const { client, clock } = options;
  const informers = new InformerSet(client, clock);
  const nodes = informers.of(NODES);
  const { gateway: home } = options.scope;
  let gateway = home;
  let problems = "";
  let further: ReadonlyMap<string, string> = new Map();
  let repairs: Closable | undefined;
  let closed = false;
  const guard = forChanges(options.guard);
  const update = async () => {
    const scope = { ...options.scope, source: options.source, ...given({ home, gateway }) };
    const plan = planRoutes(nodes.store.list().map(routedNode), scope);
    const found = plan.problems.join("; ");
    if (found !== problems && found !== "") log.warn("nodes are left out", { problems: found });
    problems = found;
    const known = new Set(plan.routes.values());
    const routes = new Map([...further].filter(([, node]) => known.has(node)));
    for (const [to, node] of plan.routes) routes.set(to, node);
    try {
      applyRoutes(options.device, options.source, { routes }, options.scope.others);
    } finally {
      await guard(plan.ranges);
    }
    if (gateway !== plan.gateway) log.info("another node serves the host", { ...plan });
    gateway = plan.gateway;
  };
  const updates = new Runner({
    clock,
    run: update,
    retry: { first_ms: RETRY_MS, most_ms: RETRY_MS },
    report: failureLog(log, "routes to the nodes not set"),
  });
  void nodes.synced.then(() => {
    if (closed) return;
    const repair = () => {
      updates.request();
      return options.keep();
    };
    repairs = startRepairLoop({ repair, what: "the host's rule or its forwarding", log, clock });
  });
  nodes.handle({
    added() {
      if (nodes.hasSynced) updates.request();
    },
    updated(node, old) {
      if (!isDeepStrictEqual(routedNode(node), routedNode(old))) updates.request();
    },
    deleted: () => updates.request(),
  });
  informers.start();
  return {
    setFurther(routes) {
      if (isDeepStrictEqual(routes, further)) return;
      further = routes;
      if (nodes.hasSynced) updates.request();
    },
    async close() {
      closed = true;
      await repairs?.close();
      await informers.close();
      await updates.close();
      client.close();
    },
  };
}

/** Passes on ranges that differ from those that were taken last. */
function forChanges(take: NodeRoutesOptions["guard"]) {
  let taken: ReadonlyMap<string, string> = new Map();
  return async (ranges: ReadonlyMap<string, string>) => {
    if (isDeepStrictEqual(ranges, taken)) return;
    await take?.(ranges);
    taken = ranges;
  };
}

function routedNode({ metadata, spec, status }: Node): RoutedNode {
  const addresses = status?.addresses ?? [];
  const conditions = status?.conditions ?? [];
  return {
    name: metadata.name ?? "",
    address: addresses.find((item) => item.type === "InternalIP")?.address ?? "",
    podCidr: spec?.podCIDR ?? "",
    since: metadata.creationTimestamp ?? "",
    ready: conditions.some((item) => item.type === "Ready" && item.status === "True"),
  };
}
