import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { HealthPoller } from "../health-poller.ts";
import { BALANCE_REPAIR_MS } from "../limits.ts";
import { apiServerAddresses } from "../reserved.ts";
import { type Carrier, planBalance } from "./plan.ts";

export interface BalanceOptions {
  /** Lists and watches Services and Nodes (`system:node-proxier`); closed here. */
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
  const syncs = new Runner({
    clock,
    max_ms: BALANCE_REPAIR_MS,
    async run() {
      const health = poller.health.bind(poller);
      const apiServers = await apiServerAddresses(client.server);
      const { carriers, targets } = planBalance(
        services.store.list(),
        nodes.store.list(),
        health,
        apiServers,
      );
      poller.watch(targets);
      await apply(carriers);
    },
    report: failureLog(log, "addresses of load balancers are not set"),
  });
  const changed = () => syncs.request();
  const poller = new HealthPoller({ clock, changed });
  informers.follow(changed);
  return {
    async close() {
      await informers.close();
      await poller.close();
      await syncs.close();
      client.close();
    },
  };
}
