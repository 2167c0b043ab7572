import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Affinity, Pod, PodSpec, Toleration } from "@raft2kube/api/gen/core/v1.ts";
import { POD_REVISION } from "../history/plan.ts";
import { podFromTemplate } from "../pod-control.ts";

export const DAEMON_SET_TYPE = { apiVersion: "apps/v1", kind: "DaemonSet" };
const TEMPLATE_COUNT = "deprecated.daemonset.template.generation";
const POD_TEMPLATE_COUNT = "pod-template-generation";

const tolerationOf = (name: string, effect: "NoExecute" | "NoSchedule"): Toleration => ({
  key: `node.kubernetes.io/${name}`,
  operator: "Exists",
  effect,
});

/** Nodes with these taints keep their daemon pods, and get them. */
const TOLERATIONS: readonly Toleration[] = [
  tolerationOf("not-ready", "NoExecute"),
  tolerationOf("unreachable", "NoExecute"),
  tolerationOf("disk-pressure", "NoSchedule"),
  tolerationOf("memory-pressure", "NoSchedule"),
  tolerationOf("pid-pressure", "NoSchedule"),
  tolerationOf("unschedulable", "NoSchedule"),
];
const NETWORK_UNAVAILABLE = tolerationOf("network-unavailable", "NoSchedule");

/** The tolerations of a daemon pod: its template's, and upstream's for all daemons. */
export function daemonTolerations(spec: PodSpec): Toleration[] {
  const wanted = spec.hostNetwork ? [...TOLERATIONS, NETWORK_UNAVAILABLE] : TOLERATIONS;
  const own = spec.tolerations ?? [];
  const missing = wanted.filter((each) => !own.some((other) => sameToleration(each, other)));
  return [
    ...own.map((each) => wanted.find((other) => sameToleration(each, other)) ?? each),
    ...missing,
  ];
}

/** Whether both are about the same taint, however long they last (upstream's MatchToleration). */
const sameToleration = (a: Toleration, b: Toleration): boolean =>
  a.key === b.key &&
  a.effect === b.effect &&
  a.operator === b.operator &&
  (a.value ?? "") === (b.value ?? "");

/** The pod of a DaemonSet's revision for one node, that the scheduler puts there. */
export function daemonPodOf(set: DaemonSet, node: string, hash: string): Pod {
  const pod = podFromTemplate(set, DAEMON_SET_TYPE, set.spec.template);
  const count = templateCountOf(set);
  pod.metadata.labels = {
    ...pod.metadata.labels,
    ...(count !== undefined && { [POD_TEMPLATE_COUNT]: count }),
    [POD_REVISION]: hash,
  };
  const tolerations = daemonTolerations(pod.spec);
  pod.spec = { ...pod.spec, tolerations, affinity: affinityTo(node, pod.spec.affinity) };
  return pod;
}

/** Replaces required node affinity, which the controller has evaluated already. */
function affinityTo(node: string, affinity: Affinity | undefined): Affinity {
  const matchFields = [{ key: "metadata.name", operator: "In" as const, values: [node] }];
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
    },
  };
}

/** Whether a pod was made from the template of now: by its revision, or by the older count. */
export function isUpdated(pod: Pod, set: DaemonSet, hash: string): boolean {
  const { labels } = pod.metadata;
  const count = templateCountOf(set);
  return (
    labels?.[POD_REVISION] === hash ||
    (count !== undefined && labels?.[POD_TEMPLATE_COUNT] === count)
  );
}

function templateCountOf({ metadata }: DaemonSet): string | undefined {
  const text = metadata.annotations?.[TEMPLATE_COUNT] ?? "";
  return /^\d+$/.test(text) ? text : undefined;
}
