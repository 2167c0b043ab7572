import type {
  Node,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Pod,
} from "@raft2kube/api/gen/core/v1.ts";
import { matchesMap } from "@raft2kube/api/selector.ts";
import { goInt64 } from "@raft2kube/std/go-values.ts";
import { own } from "@raft2kube/std/own.ts";

type Labels = Record<string, string>;

/** Whether a node matches a selector: at least one of its terms. */
export function selectsNode(selector: NodeSelector, node: Node): boolean {
  return selector.nodeSelectorTerms.some((term) => termMatches(term, node));
}

/** Whether a node meets all requirements of a term; a term without any matches no node. */
export function termMatches(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length === 0 && matchFields.length === 0) return false;
  const fields = { "metadata.name": node.metadata.name ?? "" };
  return (
    matchExpressions.every((item) => meets(item, node.metadata.labels ?? {})) &&
    matchFields.every((item) => meets(item, fields))
  );
}

/** Whether a node matches the pod's nodeSelector and required node affinity. */
export function nodeAffinityMatches(pod: Pod, node: Node): boolean {
  if (!matchesMap(pod.spec.nodeSelector ?? {}, node.metadata.labels)) return false;
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || selectsNode(required, node);
}

/** Whether labels meet a requirement. Gt and Lt compare integers of 64 bits. */
export function meets(requirement: NodeSelectorRequirement, labels: Labels): boolean {
  const { key, operator, values = [] } = requirement;
  const value = own(labels, key);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return compare(value, values[0], (a, b) => a > b);
    case "Lt":
      return compare(value, values[0], (a, b) => a < b);
    default:
      return false;
  }
}

function compare(
  value: string | undefined,
  bound: string | undefined,
  holds: (value: bigint, bound: bigint) => boolean,
): boolean {
  const [one, other] = [goInt64(value ?? ""), goInt64(bound ?? "")];
  return one !== undefined && other !== undefined && holds(one, other);
}
