import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { microTimeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { NODE_LEASE_RENEWALS, NODE_RETRY_MS } from "../limits.ts";

const log = logger("kubelet-lease");
const NAMESPACE = "kube-node-lease";

export interface NodeLeaseOptions {
  leases: ResourceClient<Lease>;
  clock: Clock;
  node: { name: string; uid: string };
  duration_s: number;
}

/** Returns the runner that renews the node's Lease, the heartbeat of the node. */
export function nodeLease(options: NodeLeaseOptions): Runner {
  const max_ms = (options.duration_s * 1_000) / NODE_LEASE_RENEWALS;
  const retry_ms = Math.min(max_ms, NODE_RETRY_MS);
  let renewed: Lease | undefined;
  return new Runner({
    clock: options.clock,
    max_ms,
    retry: { first_ms: retry_ms, most_ms: retry_ms },
    async run() {
      const known = renewed;
      renewed = undefined; // after a failure the Lease is read again
      renewed = await renew(options, known);
    },
    report: failureLog(log, "the node's lease is not renewed"),
  });
}

async function renew(
  { leases, clock, node, duration_s }: NodeLeaseOptions,
  renewed: Lease | undefined,
): Promise<Lease> {
  const spec = {
    holderIdentity: node.name,
    leaseDurationSeconds: duration_s,
    renewTime: microTimeText(clock.now()),
  };
  const name = { namespace: NAMESPACE, name: node.name };
  const current = renewed ?? (await undefinedIfNotFound(leases.get(name)));
  if (current) return leases.update({ ...current, spec: { ...current.spec, ...spec } });
  const owner = { apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid };
  return leases.create({ metadata: { ...name, ownerReferences: [owner] }, spec });
}
