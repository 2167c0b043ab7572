import { nodeNameOf } from "../../authn/identities.ts";
import { type Attributes, type AuthorizerPlugin, type Decision, NO_OPINION } from "../attributes.ts";
import { ruleAllows } from "../rbac/rules.ts";
import type { NodeGraph } from "./graph.ts";
import { NODE_RULES } from "./rules.ts";

/** Reads that the graph decides: only of objects that the node's own pods refer to. */
const GRAPH_READS = new Set([
  "/secrets", "/configmaps", "/persistentvolumeclaims", "/persistentvolumes",
  "storage.k8s.io/volumeattachments", "resource.k8s.io/resourceclaims",
]);

/**
 * What kubelets may do (upstream's node authorizer): fixed rules for what all nodes need, and for objects that hold
 * secrets or belong to pods only those that the node's own pods refer to.
 */
export class NodeAuthorizer implements AuthorizerPlugin {
  readonly name = "Node";
  readonly #graph: NodeGraph;

  constructor(graph: NodeGraph) {
    this.#graph = graph;
  }

  decide(attributes: Attributes): Decision {
    const node = nodeNameOf(attributes.user);
    if (node === undefined) return NO_OPINION;
    const { resourceRequest, group, resource } = attributes;
    if (resourceRequest) {
      if (GRAPH_READS.has(`${group}/${resource}`)) return this.#read(node, attributes);
      if (group === "" && resource === "serviceaccounts") return this.#account(node, attributes);
      if (group === "coordination.k8s.io" && resource === "leases") return lease(node, attributes);
      if (group === "storage.k8s.io" && resource === "csinodes") return ownCsiNode(node, attributes);
    }
    const allowed = NODE_RULES.some((rule) => ruleAllows(rule, attributes));
    return allowed ? { verdict: "allow", reason: "" } : NO_OPINION;
  }

  #read(node: string, attributes: Attributes): Decision {
    const { verb, group, resource, subresource, namespace, name } = attributes;
    if (resource === "persistentvolumeclaims" && subresource === "status") {
      if (verb !== "update" && verb !== "patch") return no("can only update PVC status");
    } else if (subresource !== "") return no(`cannot access ${resource} subresources`);
    else if (!["get", "list", "watch"].includes(verb)) {
      return no(`can only read resources of this type`);
    }
    if (name === "") return no(`No Object name found`);
    if (this.#graph.reaches(node, resource, namespace, name)) return { verdict: "allow", reason: "" };
    const what = group === "" ? resource : `${resource}.${group}`;
    return no(`no relationship found between node '${node}' and this object (${what})`);
  }

  /** A node gets tokens for its pods' accounts, and reads those accounts. */
  #account(node: string, attributes: Attributes): Decision {
    const { verb, subresource, namespace, name } = attributes;
    const token = verb === "create" && subresource === "token";
    const read = verb === "get" && subresource === "";
    if (!token && !read) return no("can only create tokens for, and get, service accounts");
    if (this.#graph.reaches(node, "serviceaccounts", namespace, name)) {
      return { verdict: "allow", reason: "" };
    }
    return no(`no relationship found between node '${node}' and this object`);
  }
}

const NODE_LEASES = "kube-node-lease";

function lease(node: string, attributes: Attributes): Decision {
  const { verb, namespace, name, subresource } = attributes;
  const verbs = ["get", "create", "update", "patch", "delete"];
  if (subresource !== "" || !verbs.includes(verb)) return no("can only get, create, update, patch, or delete a node lease");
  if (namespace !== NODE_LEASES) return no(`can only access leases in the ${NODE_LEASES} namespace`);
  // A creation does not name its object in the path; NodeRestriction looks at the body.
  if (verb !== "create" && name !== node) return no("can only access node lease with the same name as the requesting node");
  return { verdict: "allow", reason: "" };
}

function ownCsiNode(node: string, attributes: Attributes): Decision {
  const { verb, name, subresource } = attributes;
  const verbs = ["get", "create", "update", "patch", "delete"];
  if (subresource !== "" || !verbs.includes(verb)) return no("can only get, create, update, patch, or delete a CSINode");
  if (verb !== "create" && name !== node) return no("can only access CSINode with the same name as the requesting node");
  return { verdict: "allow", reason: "" };
}

function no(reason: string): Decision {
  return { verdict: "no-opinion", reason };
}
