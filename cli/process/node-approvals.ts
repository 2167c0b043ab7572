import { approvePresent } from "@raft2kube/kubelet/bootstrap/approve.ts";
import { dueIdentities } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { forEach } from "@raft2kube/reconcile/each.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { clientAs } from "../pki/client-as.ts";
import { nodeFiles } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { readJoiningNodes } from "../spec/nodes.ts";
import type { Closable } from "./started-parts.ts";

const LOOK_MS = 60_000;

/**
 * Approves what nodes that joined ask for when their certificates end soon, as `r2k node start`
 * does at a start: for exactly the names and the address that the cluster's host gave to each. A
 * node that was removed, or that has nothing to renew, gets nothing.
 */
export function startNodeApprovals(cluster: ClusterConfig, clock: Clock): Closable {
  const runner = new Runner({
    clock,
    max_ms: LOOK_MS,
    async run() {
      await forEach(await readJoiningNodes(cluster), async (node) => {
        if ((await dueIdentities(nodeFiles(node), clock.now())).length === 0) return;
        using client = await clientAs(cluster, "admin", clock);
        await approvePresent(client, node);
      });
    },
    report: failureLog(logger("certificates"), "requests of nodes are not approved"),
  });
  runner.request(LOOK_MS);
  return runner;
}
