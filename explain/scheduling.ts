import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import { addQuantity, compareQuantity } from "@raft2kube/std/quantity.ts";
import { type Explanation, listed, quoted, wrong } from "./explanation.ts";

type Nodes = readonly Node[] | undefined;

/** A reason of the scheduler, what the nodes have or lack, and the remedy. */
type Cause = readonly [
  reason: RegExp,
  meaning: string,
  remedy: string | ((pod: Pod, nodes: Nodes, found: RegExpExecArray) => string),
];

const CAUSES: readonly Cause[] = [
  [/^Insufficient (\S+)$/, "too little free $1", resourceRemedy],
  [/^Too many pods$/, "as many pods as allowed", "delete pods that are done, or add a node"],
  [/had untolerated taint/, "a taint that the pod does not tolerate", taintRemedy],
  [/were unschedulable/, "cordoned", (_, nodes) => `kubectl uncordon ${cordoned(nodes)}`],
  [/node affinity\/selector/, "labels that its selector or affinity does not match", labelRemedy],
  [/didn't have free ports/, "the pod's host port taken", "use another hostPort, or a Service"],
  [/user namespaces/, "a runtime that has no user namespaces", "set hostUsers: true in the pod"],
  [/pod affinity rules/, "no pod that it wants beside it", "start one, or prefer podAffinity"],
  [/anti-affinity rules/, "a pod that it avoids", "add a node, or prefer podAntiAffinity"],
  [/topology spread/, "its share of these pods already", "raise maxSkew, or set ScheduleAnyway"],
  [/volume node affinity/, "no access to its volume", "run it on the node that its volume is on"],
  [/persistent volumes to bind/, "no volume for its claim", claimRemedy],
  [/max volume count/, "as many volumes as its driver attaches", "add a node, or move pods away"],
];
const UNKNOWN = "kubectl describe pod shows the scheduler's reasons";

/** Why no node was found, from the message of the condition PodScheduled. */
export function explainUnschedulable(pod: Pod, message: string, nodes: Nodes): Explanation {
  const what = `Pod ${pod.metadata.name} is Pending`;
  const [, total, list = ""] = /^0\/(\d+) nodes are available: (.*)$/s.exec(message) ?? [];
  if (list === "") return explainPrefilter(pod, what, message);
  if (total === "0") return wrong(`${what}: the cluster has no node`, "r2k node add NAME");
  const meanings: string[] = [];
  const remedies = new Set<string>();
  for (const { count, reason } of reasonsOf(list)) {
    const [matches, known = "", remedy = ""] = CAUSES.find(([each]) => each.test(reason)) ?? [];
    const found = matches?.exec(reason);
    const meaning = found ? known.replace("$1", found[1] ?? "") : quoted(reason);
    meanings.push(`${count} with ${meaning}`);
    if (found) remedies.add(typeof remedy === "string" ? remedy : remedy(pod, nodes, found));
  }
  const all = total === "1" ? "the only node does not take it" : `none of ${total} nodes takes it`;
  return wrong(`${what}: ${all}: ${listed(meanings)}`, [...remedies].join("; or ") || UNKNOWN);
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
function explainPrefilter(pod: Pod, what: string, message: string): Explanation {
  const missing = /persistentvolumeclaim "([^"]*)" not found/.exec(message)?.[1];
  const create = `create it in namespace ${pod.metadata.namespace}`;
  return wrong(`${what}: ${quoted(message)}`, missing ? create : claimRemedy(pod));
}

export const claimNames = (pod: Pod): string[] =>
  (pod.spec.volumes ?? []).flatMap((volume) => claimNameOf(pod, volume) ?? []);

function claimRemedy(pod: Pod): string {
  const claims = claimNames(pod).map((claim) => `r2k explain pvc/${claim}`);
  return claims.join(", ") || UNKNOWN;
}

/** Whether any node is large enough decides between waiting and asking for less. */
function resourceRemedy({ spec }: Pod, nodes: Nodes, [, resource = ""]: readonly string[]): string {
  // The containers' requests; those of init containers do not count here.
  const requests = spec.containers.flatMap(
    ({ resources }) => resources?.requests?.[resource] ?? resources?.limits?.[resource] ?? [],
  );
  const offers = (nodes ?? []).map(({ status }) => status?.allocatable?.[resource] ?? "0");
  const largest = offers.sort(compareQuantity).at(-1);
  if (requests.length === 0 || largest === undefined) return `ask for less ${resource}`;
  if (compareQuantity(largest, "0") === 0) {
    return `no node offers ${resource}: start its device plugin, or add a node that has it`;
  }
  const wanted = requests.reduce(addQuantity);
  const remedy =
    compareQuantity(wanted, largest) > 0
      ? `more than the largest node has (${largest}): request less`
      : `and a node has ${largest}, which others use: request less, remove other pods`;
  return `it requests ${wanted} of ${resource}, ${remedy}, or add a node`;
}

function taintRemedy(_: Pod, nodes: Nodes): string {
  const [taint = "NODE KEY-"] = (nodes ?? []).flatMap(({ metadata, spec }) =>
    (spec?.taints ?? [])
      .filter(({ effect }) => effect !== "PreferNoSchedule")
      .map(({ key, effect }) => `${metadata.name} ${key}:${effect}-`),
  );
  return `add a toleration to the pod, or remove the taint: kubectl taint nodes ${taint}`;
}

const cordoned = (nodes: Nodes): string =>
  nodes?.find(({ spec }) => spec?.unschedulable)?.metadata.name ?? "NODE";

function labelRemedy({ spec }: Pod): string {
  const [label = ["KEY", "VALUE"]] = Object.entries(spec.nodeSelector ?? {});
  const command = `kubectl label node NODE ${label.join("=")}`;
  return `label a node (${command}) or change spec.nodeSelector or spec.affinity`;
}
