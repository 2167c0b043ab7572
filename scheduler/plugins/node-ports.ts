import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { SKIP, unschedulable } from "../framework/status.ts";
import { portsConflict } from "../node-info.ts";

/** Rejects nodes on which another pod uses one of the pod's host ports. */
export const nodePorts: PreFilterPlugin & FilterPlugin = {
  name: "NodePorts",
  events: ["node-added", "pod-removed"],
  preFilter: (_state, { ports }) => (ports.length === 0 ? SKIP : undefined),
  filter(_state, { ports }, node) {
    for (const other of node.pods.values()) {
      if (!other.ports.some((used) => ports.some((port) => portsConflict(port, used)))) continue;
      return unschedulable("node(s) didn't have free ports for the requested pod ports");
    }
    return undefined;
  },
};
