import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { HealthPoller } from "../health-poller.ts";
import { BALANCE_REPAIR_MS } from "../limits.ts";
import { apiServerAddresses } from "../reserved.ts";
import { type Carrier, planBalance } from "./plan.ts";

export interface BalanceOptions {
  /** Lists and watches Services, their slices and Nodes (`system:node-proxier`); closed here. */
  readonly client: KubeClient;
  /**
   * Makes the addresses of load balancers reachable on the nodes that carry them; called after
   * each change, and every few seconds.
   */
  apply(carriers: ReadonlyMap<string, Carrier>): void | Promise<void>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Keeps each address of a load balancer on a healthy node, as `planBalance` decides. */
export function startBalance(options: BalanceOptions): { close(): Promise<void> } {
  const { client, clock, log, apply } = options;
  const informers = new InformerSet(client, clock);
  const services = informers.of(SERVICES);
  const nodes = informers.of(NODES);
  // Their changes cause no plan: where endpoints go, a health check changes.
  const places = new InformerSet(client, clock);
  const slices = places.of(ENDPOINT_SLICES, {}, nodesAlone);
  const syncs = new Runner({
    clock,
    max_ms: BALANCE_REPAIR_MS,
    async run() {
      const health = poller.health.bind(poller);
      const apiServers = await apiServerAddresses(client.server);
      const { carriers, targets } = planBalance(services.store.list(), nodes.store.list(), health, {
        apiServers,
        slices: slices.store.list(),
      });
      poller.watch(targets);
      await apply(carriers);
    },
    report: failureLog(log, "addresses of load balancers are not set"),
  });
  const changed = () => syncs.request();
  const poller = new HealthPoller({ clock, changed });
  informers.follow(changed);
  places.start();
  void places.synced().then(changed);
  return {
    async close() {
      await Promise.all([informers.close(), places.close()]);
      await poller.close();
      await syncs.close();
      client.close();
    },
  };
}

/** A slice with the nodes of its endpoints, each once: all that is kept of it. */
function nodesAlone({ metadata, endpoints, ...slice }: EndpointSlice): EndpointSlice {
  const { name, namespace, uid, resourceVersion, labels } = metadata;
  const nodes = new Set((endpoints ?? []).flatMap(({ nodeName }) => nodeName ?? []));
  return {
    ...slice,
    metadata: given({ name, namespace, uid, resourceVersion, labels }),
    endpoints: [...nodes].map((nodeName) => ({ addresses: [], nodeName })),
    ports: [],
  };
}
