import type { Binding, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import type { BindPlugin } from "../framework/plugin.ts";

/**
 * Binds with the pod's binding subresource. Fails with Conflict if the pod already has a node, or
 * if another pod has its name.
 */
export const defaultBinder = (pods: ResourceClient<Pod>): BindPlugin => ({
  name: "DefaultBinder",
  events: [],
  async bind(_state, { pod }, node) {
    const { namespace, name, uid } = pod.metadata;
    const binding: Binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { namespace, name, uid },
      target: { kind: "Node", name: node.name },
    };
    await pods.createSubresource(nameOf(pod), "binding", binding);
  },
});
