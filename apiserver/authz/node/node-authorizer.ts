import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { valueIn } from "@raft2kube/api/selector.ts";
import { nodeNameOf } from "../../authn/identities.ts";
import { type Attributes, type Decide, type Decision, NO_OPINION } from "../attributes.ts";
import { ruleAllows } from "../rbac/rules.ts";
import type { NodeGraph } from "./graph.ts";

/** Reads that the graph decides: only of objects that the node's own pods refer to. */
const GRAPH_READS = new Set([
  "/secrets",
  "/configmaps",
  "/persistentvolumeclaims",
  "/persistentvolumes",
  "storage.k8s.io/volumeattachments",
  "resource.k8s.io/resourceclaims",
]);

/** Decides about a resource; undefined leaves the decision to the fixed rules. */
type Rule = (graph: NodeGraph, node: string, attributes: Attributes) => Decision | undefined;

/** Rules by group and resource. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...[...GRAPH_READS].map((resource) => [resource, read] as const),
  ["/serviceaccounts", account],
  ["/pods", pods],
  ["/nodes", nodes],
  ["coordination.k8s.io/leases", leases],
  ["storage.k8s.io/csinodes", (_graph, node, asked) => ownNamed("CSINode", node, asked)],
  ["resource.k8s.io/resourceslices", slices],
]);

/**
 * Authorizes kubelets (upstream's node authorizer): fixed rules for the requests that all nodes
 * need, `common`; of objects that hold secrets or belong to pods, only those that the node's own
 * pods refer to.
 */
export function nodeAuthorizer(graph: NodeGraph, common: readonly PolicyRule[]): Decide {
  return (attributes) => {
    const node = nodeNameOf(attributes.user);
    if (node === undefined) return NO_OPINION;
    const { resourceRequest, group, resource } = attributes;
    const rule = resourceRequest ? RULES.get(`${group}/${resource}`) : undefined;
    const decided = rule?.(graph, node, attributes);
    if (decided) return decided;
    return common.some((each) => ruleAllows(each, attributes)) ? ALLOW : NO_OPINION;
  };
}

function read(graph: NodeGraph, node: string, attributes: Attributes): Decision {
  const { verb, resource, subresource, namespace, name } = attributes;
  if (resource === "persistentvolumeclaims" && subresource === "status") {
    if (verb !== "update" && verb !== "patch") return no("can only update PVC status");
  } else if (subresource !== "") return no(`cannot access ${resource} subresources`);
  else if (!READS.includes(verb)) return no("can only read resources of this type");
  if (name === "") return no("No Object name found");
  return graph.reaches(node, resource, namespace, name) ? ALLOW : unrelated(node);
}

/** A node gets tokens for its pods' accounts, and reads those accounts. */
function account(graph: NodeGraph, node: string, attributes: Attributes): Decision {
  const { verb, subresource, namespace, name } = attributes;
  const isToken = verb === "create" && subresource === "token";
  const isRead = verb === "get" && subresource === "";
  if (!isToken && !isRead) return no("can only create tokens for, and get, service accounts");
  return graph.reaches(node, "serviceaccounts", namespace, name) ? ALLOW : unrelated(node);
}

/** A node reads its own pods; what it may write to them the body decides (NodeRestriction). */
function pods(graph: NodeGraph, node: string, attributes: Attributes): Decision | undefined {
  const { verb, subresource, namespace, name, fieldSelector } = attributes;
  if (subresource !== "" || !READS.includes(verb)) return undefined;
  if (verb === "get" || (name !== "" && verb === "watch")) {
    if (name === "") return no("No Object name found");
    return graph.reaches(node, "pods", namespace, name) ? ALLOW : unrelated(node);
  }
  if (valueIn(fieldSelector, "spec.nodeName") === node) return ALLOW;
  return no("can only list/watch pods with spec.nodeName field selector");
}

/** A node's drivers write slices of their own; whose a new one is, NodeRestriction looks at. */
function slices(graph: NodeGraph, node: string, attributes: Attributes): Decision {
  const { verb, subresource, name, fieldSelector } = attributes;
  if (subresource !== "") return no("cannot authorize ResourceSlice subresources");
  if (verb === "create") return ALLOW;
  if (OWN_VERBS.includes(verb)) {
    return graph.reaches(node, "resourceslices", "", name) ? ALLOW : unrelated(node);
  }
  if (valueIn(fieldSelector, "spec.nodeName") === node) return ALLOW;
  return no("can only list/watch/deletecollection resourceslices with nodeName field selector");
}

const READS = ["get", "list", "watch"];
const ALLOW: Decision = { verdict: "allow", reason: "" };

const no = (reason: string): Decision => ({ verdict: "no-opinion", reason });

function unrelated(node: string): Decision {
  return no(`no relationship found between node '${node}' and this object`);
}

function nodes(_graph: NodeGraph, node: string, attributes: Attributes): Decision | undefined {
  const { verb, name, subresource } = attributes;
  if (!READS.includes(verb) || subresource !== "") return undefined;
  // The name in the selector of a list is that of the request (parseRequestInfo).
  if (name === node) return ALLOW;
  const which = name === "" ? "all nodes" : `'${name}'`;
  return no(`node '${node}' cannot read ${which}, only its own Node object`);
}

export const NODE_LEASES = "kube-node-lease";
const OWN_VERBS = ["get", "create", "update", "patch", "delete"];

function leases(_graph: NodeGraph, node: string, attributes: Attributes): Decision {
  if (attributes.namespace === NODE_LEASES) return ownNamed("node lease", node, attributes);
  return no(`can only access leases in the ${NODE_LEASES} namespace`);
}

/** An object that has the name of its node. */
function ownNamed(what: string, node: string, { verb, name, subresource }: Attributes): Decision {
  if (subresource !== "" || !OWN_VERBS.includes(verb)) {
    return no(`can only get, create, update, patch, or delete a ${what}`);
  }
  // A creation does not name its object in the path; NodeRestriction looks at the body.
  if (verb === "create" || name === node) return ALLOW;
  return no(`can only access ${what} with the same name as the requesting node`);
}
