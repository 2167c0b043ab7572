import type { ReplicaSet, StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type {
  Pod,
  ReplicationController,
  Service,
  TopologySpreadConstraint,
} from "@raft2kube/api/gen/core/v1.ts";
import type { LabelSelector, LabelSelectorRequirement } from "@raft2kube/api/gen/meta/v1.ts";
import { matchesMap } from "@raft2kube/api/selector.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { DEFAULT_SPREAD } from "../limits.ts";

/** The objects whose selectors say which pods belong together. */
export interface Workloads {
  /** Returns the Services of a namespace. */
  services(namespace: string): readonly Service[];
  readonly replicationControllers: Pick<ReadStore<ReplicationController>, "get">;
  readonly replicaSets: Pick<ReadStore<ReplicaSet>, "get">;
  readonly statefulSets: Pick<ReadStore<StatefulSet>, "get">;
}

/**
 * Returns the constraints of a pod that states none: its workload's pods are spread over nodes and
 * zones as well as possible (upstream's PodTopologySpread with `defaultingType: System`). A pod
 * without a Service and a controller has none.
 */
export function defaultConstraints(
  pod: Pod,
  workloads: Workloads,
): readonly TopologySpreadConstraint[] {
  const labelSelector = selectorOf(pod, workloads);
  if (!labelSelector) return [];
  return DEFAULT_SPREAD.map((each) => {
    return { ...each, whenUnsatisfiable: "ScheduleAnyway" as const, labelSelector };
  });
}

/** Joins the selectors of the pod's Services and of its controller; undefined without any. */
function selectorOf(pod: Pod, workloads: Workloads): LabelSelector | undefined {
  const { namespace = "", labels } = pod.metadata;
  const matchLabels: Record<string, string> = {};
  for (const { spec } of workloads.services(namespace)) {
    const own = spec?.selector ?? {};
    if (matchesMap(own, labels)) Object.assign(matchLabels, own);
  }
  const matchExpressions = controllerSelector(pod, workloads);
  const terms = Object.keys(matchLabels).length + matchExpressions.length;
  return terms === 0 ? undefined : { matchLabels, matchExpressions };
}

function controllerSelector(pod: Pod, workloads: Workloads): LabelSelectorRequirement[] {
  const owner = controllerOf(pod);
  const key = `${pod.metadata.namespace ?? ""}/${owner?.name ?? ""}`;
  switch (`${owner?.apiVersion ?? ""} ${owner?.kind ?? ""}`) {
    case "v1 ReplicationController":
      return expressions({
        matchLabels: workloads.replicationControllers.get(key)?.spec?.selector ?? {},
      });
    case "apps/v1 ReplicaSet":
      return expressions(workloads.replicaSets.get(key)?.spec?.selector);
    case "apps/v1 StatefulSet":
      return expressions(workloads.statefulSets.get(key)?.spec?.selector);
    default:
      return [];
  }
}

function expressions(selector: LabelSelector = {}): LabelSelectorRequirement[] {
  const labels = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => {
    return { key, operator: "In", values: [value] };
  });
  return [...labels, ...(selector.matchExpressions ?? [])];
}
