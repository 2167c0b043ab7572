import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import { addQuantity, compareQuantity } from "@raft2kube/std/quantity.ts";
import { type Explanation, listed, quoted, wrong } from "./explanation.ts";

/** A reason of the scheduler with its meaning and remedy. */
interface Cause {
  readonly matches: RegExp;
  readonly meaning: string;
  remedy(pod: Pod, nodes: readonly Node[] | undefined, found: RegExpExecArray): string;
}

/** The reasons of upstream's plugins and of ours (`scheduler/plugins`). */
const CAUSES: readonly Cause[] = [
  {
    matches: /^Insufficient (\S+)$/,
    meaning: "too little free $1",
    remedy: (pod, nodes, [, resource = ""]) => resourceRemedy(pod, nodes, resource),
  },
  {
    matches: /^Too many pods$/,
    meaning: "as many pods as allowed",
    remedy: () => "delete pods that are done, or add a node",
  },
  {
    matches: /had untolerated taint(?:\(s\)|s)?/,
    meaning: "a taint that the pod does not tolerate",
    remedy: (_, nodes) => {
      const command = `kubectl taint nodes ${taintExample(nodes)}`;
      return `add a toleration to the pod, or remove the taint: ${command}`;
    },
  },
  {
    matches: /were unschedulable/,
    meaning: "cordoned",
    remedy: (_, nodes) =>
      `kubectl uncordon ${nodes?.find(({ spec }) => spec?.unschedulable)?.metadata.name ?? "NODE"}`,
  },
  {
    matches: /didn't match Pod's node affinity\/selector/,
    meaning: "labels that the pod's node selector or affinity does not match",
    remedy: (pod) => {
      const command = `kubectl label node NODE ${selectorExample(pod)}`;
      return `label a node (${command}) or change spec.nodeSelector or spec.affinity`;
    },
  },
  {
    matches: /didn't have free ports/,
    meaning: "the pod's host port taken",
    remedy: () => "use another hostPort, or none: a Service gives the pod an address",
  },
  {
    matches: /didn't have user namespaces/,
    meaning: "a runtime that has no user namespaces",
    remedy: () => "set hostUsers: true in the pod, or add a node whose runtime has them",
  },
  {
    matches: /didn't match pod affinity rules/,
    meaning: "none of the pods that it wants beside it",
    remedy: () => "start the pods that spec.affinity.podAffinity selects, or make it preferred",
  },
  {
    matches: /anti-affinity rules/,
    meaning: "a pod that it must not be beside",
    remedy: () => "add a node, run fewer replicas, or make spec.affinity.podAntiAffinity preferred",
  },
  {
    matches: /topology spread constraints/,
    meaning: "more than its share of these pods",
    remedy: () => "raise maxSkew, or set whenUnsatisfiable: ScheduleAnyway",
  },
  {
    matches: /volume node affinity conflict/,
    meaning: "no access to the pod's volume, which is on another node",
    remedy: () => "let the pod run on the volume's node (kubectl describe pv names it)",
  },
  {
    matches: /didn't find available persistent volumes to bind/,
    meaning: "no volume for its claim",
    remedy: (pod) => `r2k explain pvc/${claimNames(pod)[0] ?? "NAME"} says more`,
  },
  {
    matches: /exceed max volume count/,
    meaning: "as many volumes as its driver attaches",
    remedy: () => "add a node, or move pods with volumes away",
  },
];

/** Why no node was found, from the message of the condition PodScheduled. */
export function explainUnschedulable(
  pod: Pod,
  message: string,
  nodes: readonly Node[] | undefined,
): Explanation {
  const name = pod.metadata.name ?? "";
  const [, total = "", list = ""] = /^0\/(\d+) nodes are available: (.*)$/s.exec(message) ?? [];
  if (list === "") return explainPrefilter(pod, message);
  const none = Number(total) === 0;
  if (none) return wrong(`Pod ${name} is Pending: the cluster has no node`, "r2k node add NAME");
  const parts = reasonsOf(list);
  const meanings: string[] = [];
  const remedies: string[] = [];
  for (const { count, reason } of parts) {
    const cause = CAUSES.find(({ matches }) => matches.test(reason));
    const found = cause?.matches.exec(reason);
    const meaning = cause && found ? cause.meaning.replace("$1", found[1] ?? "") : quoted(reason);
    meanings.push(`${count} with ${meaning}`);
    if (cause && found) remedies.push(cause.remedy(pod, nodes, found));
  }
  const all = total === "1" ? "the only node does not take it" : `none of ${total} nodes takes it`;
  return wrong(
    `Pod ${name} is Pending: ${all}: ${listed(meanings)}`,
    [...new Set(remedies)].join("; or ") || "kubectl describe pod shows the scheduler's reasons",
  );
}

/** The reasons with their counts; what follows the first full stop is about preemption. */
export function reasonsOf(list: string): { count: number; reason: string }[] {
  const found = list.split(/\. (?=preemption:|no new claims)/)[0]!.replace(/\.$/, "");
  return found.split(/, (?=\d+ )/).map((part) => {
    const [, count = "1", reason = part] = /^(\d+) (.*)$/s.exec(part) ?? [];
    return { count: Number(count), reason };
  });
}

/** Messages that come before any node was looked at: of claims and of gates. */
function explainPrefilter(pod: Pod, message: string): Explanation {
  const name = pod.metadata.name ?? "";
  const missing = /persistentvolumeclaim "([^"]*)" not found/.exec(message)?.[1];
  if (missing !== undefined) {
    return wrong(
      `Pod ${name} is Pending: its claim ${missing} does not exist`,
      `create the PersistentVolumeClaim ${missing} in namespace ${pod.metadata.namespace}`,
    );
  }
  return wrong(
    `Pod ${name} is Pending: ${quoted(message)}`,
    claimNames(pod)
      .map((claim) => `r2k explain pvc/${claim}`)
      .join(", ") || "kubectl describe pod shows the scheduler's reasons",
  );
}

export const claimNames = (pod: Pod): string[] =>
  (pod.spec.volumes ?? []).flatMap((volume) => claimNameOf(pod, volume) ?? []);

/** Says whether any node is large enough, which decides between waiting and asking for less. */
function resourceRemedy(pod: Pod, nodes: readonly Node[] | undefined, resource: string): string {
  const wanted = requestOf(pod, resource);
  const offers = (nodes ?? []).map(({ status }) => status?.allocatable?.[resource] ?? "0");
  const largest = offers.sort(compareQuantity).at(-1);
  if (wanted === undefined || largest === undefined) return `ask for less ${resource}`;
  const [request, add] = [`it requests ${wanted} of ${resource}`, "or add a node"];
  if (compareQuantity(largest, "0") === 0) {
    return `no node offers ${resource}: start its device plugin, ${add} that has it`;
  }
  return compareQuantity(wanted, largest) > 0
    ? `${request}, more than the largest node has (${largest}): request less, ${add}`
    : `${request}; a node has ${largest}, which others use: request less, remove other pods, ${add}`;
}

/** The sum of its containers' requests; init containers do not count here. */
function requestOf({ spec }: Pod, resource: string): string | undefined {
  const found = spec.containers.flatMap(
    ({ resources }) => resources?.requests?.[resource] ?? resources?.limits?.[resource] ?? [],
  );
  return found.length === 0 ? undefined : found.reduce(addQuantity);
}

function taintExample(nodes: readonly Node[] | undefined): string {
  for (const { metadata, spec } of nodes ?? []) {
    const taint = spec?.taints?.find(({ effect }) => effect !== "PreferNoSchedule");
    if (taint) return `${metadata.name} ${taint.key}:${taint.effect}-`;
  }
  return "NODE KEY-";
}

function selectorExample({ spec }: Pod): string {
  const [[key, value] = []] = Object.entries(spec.nodeSelector ?? {});
  return key === undefined ? "KEY=VALUE" : `${key}=${value}`;
}
