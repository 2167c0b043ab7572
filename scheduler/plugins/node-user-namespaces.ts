import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { SKIP, unresolvable } from "../framework/status.ts";

/**
 * Admits a pod with `hostUsers: false` where the runtime handler reports user namespaces: elsewhere
 * the kubelet could not start it. With a RuntimeClass any handler of the node counts, as RBAC
 * hides from the scheduler which one the class names. Nodes whose kubelet reports no handlers pass.
 * Not upstream's.
 */
export const nodeUserNamespaces: PreFilterPlugin & FilterPlugin = {
  name: "NodeUserNamespaces",
  events: ["NodeAdd", "NodeRuntimeHandlerChange"],
  preFilter: (_state, { pod }) => (pod.spec.hostUsers === false ? undefined : SKIP),
  filter(_state, { pod }, { node }) {
    const handlers = node?.status?.runtimeHandlers ?? [];
    const fits =
      handlers.length === 0 ||
      handlers.some(
        ({ name, features }) =>
          (pod.spec.runtimeClassName || !name) && features?.userNamespaces === true,
      );
    return fits
      ? undefined
      : unresolvable("node(s) didn't have user namespaces for hostUsers: false");
  },
};
