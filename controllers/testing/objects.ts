import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod, PodPhase } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";

/** The time at which tests look at the objects. */
export const NOW_MS = Date.parse("2026-01-01T12:00:00Z");

const HOUR_S = 3_600;
const TEMPLATE = { metadata: { labels: { app: "web" } }, spec: { containers: [] } };

/** A pod in few words; Running, not ready, an hour old, on no node, unless it says otherwise. */
export interface PodShape {
  readonly node?: string;
  readonly phase?: PodPhase;
  readonly readyFor_s?: number;
  readonly age_s?: number;
  readonly restarts?: number;
  readonly cost?: string;
  readonly deleting?: boolean;
}

export function podOf(name: string, shape: PodShape = {}): Pod {
  const { node, phase = "Running", readyFor_s, age_s = HOUR_S, restarts = 0, cost } = shape;
  const before = (age: number) => timeText(NOW_MS - age * 1_000);
  const status = { name: "c", ready: true, restartCount: restarts, image: "", imageID: "" };
  const ready =
    readyFor_s === undefined
      ? []
      : [{ type: "Ready", status: "True", lastTransitionTime: before(readyFor_s) }];
  return {
    metadata: {
      name,
      namespace: "shop",
      uid: name,
      creationTimestamp: before(age_s),
      ...(cost ? { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } } : {}),
      ...(shape.deleting ? { deletionTimestamp: before(0) } : {}),
    },
    spec: { containers: [], ...(node ? { nodeName: node } : {}) },
    status: { phase, conditions: ready, containerStatuses: [status] },
  };
}

/** A ReplicaSet of this size, `old` before `web`. */
export function setOf(name: string, replicas: number | undefined, available = 0): ReplicaSet {
  return {
    metadata: { name, namespace: "shop", uid: name, creationTimestamp: timeText(NOW_MS) },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      selector: { matchLabels: { app: "web" } },
      template: { ...TEMPLATE, metadata: { labels: { app: "web", version: name } } },
    },
    status: { replicas: replicas ?? 0, availableReplicas: available },
  };
}
