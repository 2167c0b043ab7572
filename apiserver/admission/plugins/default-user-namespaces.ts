import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isExempt } from "@raft2kube/pod-security/configuration.ts";
import { canHaveOwnUsers } from "@raft2kube/pod-security/own-users.ts";
import { policyOf } from "@raft2kube/pod-security/policy.ts";
import type { Pod } from "../../object/pod.ts";
import type { AdmissionContext } from "../context.ts";
import { namespaceLookup } from "../matching/namespace.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";

/** The kubelet made such a pod from a file, and runs it as it is. */
const MIRROR = "kubernetes.io/config.mirror";

/**
 * Gives pods of namespaces that enforce *restricted* users of their own (`hostUsers: false`), if
 * all nodes can and the pod runs in the same way with them; a pod that names `hostUsers` keeps it.
 * It runs after the mutating policies and webhooks, and decides in the last pass: they may add what
 * cannot run with such users, and the field is immutable.
 * Upstream has no such default (docs/adr/0023-users-of-restricted-pods.md).
 */
export function defaultUserNamespaces(context: AdmissionContext): AdmissionPlugin {
  const { podSecurity: configuration } = context.configuration;
  const nodes = context.resources.of("v1", "nodes");
  const findNamespace = namespaceLookup(context);
  return {
    name: "DefaultUserNamespaces",
    async admit(request) {
      if (request.object === undefined || !concerns(request, "", "pods")) return;
      if (request.reinvocation.isRequested && !request.reinvocation.isSecond) return;
      const { metadata, spec } = request.object as Pod;
      if (request.operation === "UPDATE") return keepUsers(spec, (request.old as Pod).spec);
      if (metadata.annotations?.[MIRROR] !== undefined) return;
      if (isExempt(configuration, request.namespace, request.user)) return;
      const { labels } = (await findNamespace(request.namespace))?.metadata ?? {};
      const { enforce } = policyOf(labels, configuration.defaults).policy;
      if (!canHaveOwnUsers(enforce, metadata, spec)) return;
      const all = (await nodes.cache()).list();
      if (all.length > 0 && all.every((entry) => canMap(entry.shared()))) spec.hostUsers = false;
    },
  };
}

/** A client that does not know the field drops it, and may update the pod nevertheless. */
function keepUsers(spec: Pod["spec"], { hostUsers }: Pod["spec"]): void {
  if (hostUsers !== undefined) spec.hostUsers ??= hostUsers;
}

/** Whether a node's default runtime has user namespaces, by what its kubelet reports. */
function canMap(node: Node & KubeObject): boolean {
  const handlers = node.status?.runtimeHandlers ?? [];
  return handlers.some(({ name, features }) => name === "" && features?.userNamespaces === true);
}
