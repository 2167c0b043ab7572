import type { ReplicaSet, ReplicaSetStatus } from "@raft2kube/api/gen/apps/v1.ts";
import type { ReplicationController } from "@raft2kube/api/gen/core/v1.ts";
import { REPLICATION_CONTROLLERS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { type ReplicaKind, startReplicas } from "../replicaset/replicaset.ts";

/** A ReplicationController as a ReplicaSet; its selector, which is never empty, is a plain map. */
export function asReplicaSet(object: ReplicationController): ReplicaSet {
  const { selector: matchLabels, ...spec } = object.spec;
  return { ...object, spec: { ...spec, selector: { matchLabels } } };
}

/** The status has no count of pods that are being deleted. */
export function withStatus(
  object: ReplicationController,
  status: ReplicaSetStatus,
): ReplicationController {
  const { terminatingReplicas: _none, ...counts } = status;
  return { ...object, status: counts };
}

const REPLICATION_CONTROLLER: ReplicaKind<ReplicationController> = {
  account: "replication-controller",
  type: { apiVersion: "v1", kind: "ReplicationController" },
  resource: REPLICATION_CONTROLLERS,
  asReplicaSet,
  withStatus,
};

/** Keeps as many pods of each ReplicationController as it asks for: the ReplicaSet's rules. */
export function startReplicationControllers(context: ControllerContext): Running {
  return startReplicas(context, REPLICATION_CONTROLLER);
}
