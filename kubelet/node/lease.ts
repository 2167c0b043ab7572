import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { microTimeText } from "@raft2kube/client-kube/object/time.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { NODE_LEASE_RENEWALS, NODE_RETRY_MS } from "../limits.ts";

const log = logger("kubelet-lease");
const NAMESPACE = "kube-node-lease";

export interface NodeLeaseOptions {
  leases: ResourceClient<Lease>;
  clock: Clock;
  node: { name: string; uid: string };
  duration_s: number;
  signal: AbortSignal;
}

/** Renews the node's Lease, the heartbeat of the node, until aborted. */
export async function renewNodeLease(options: NodeLeaseOptions): Promise<void> {
  const { clock, signal, duration_s } = options;
  let renewed: Lease | undefined;
  while (!signal.aborted) {
    let pause_ms = (duration_s * 1_000) / NODE_LEASE_RENEWALS;
    try {
      renewed = await renew(options, renewed);
    } catch (thrown) {
      if (signal.aborted) return;
      log.warn("node lease not renewed, trying again", { error: messageOf(thrown) });
      renewed = undefined;
      pause_ms = Math.min(pause_ms, NODE_RETRY_MS);
    }
    await delay(clock, pause_ms, signal);
  }
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
