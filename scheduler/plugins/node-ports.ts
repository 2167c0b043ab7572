import { StateKey } from "../framework/cycle-state.ts";
import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { SKIP, unschedulable } from "../framework/status.ts";
import { type PortAddresses, portAddresses, portConflicts } from "../node-info.ts";

const WANTED = new StateKey<PortAddresses>("PreFilterNodePorts");

/** Rejects nodes on which another pod uses one of the pod's host ports. */
export const nodePorts: PreFilterPlugin & FilterPlugin = {
  name: "NodePorts",
  events: ["NodeAdd", "AssignedPodDelete"],
  preFilter(state, { ports }) {
    if (ports.length === 0) return SKIP;
    state.write(WANTED, portAddresses(ports));
    return undefined;
  },
  filter(state, _info, node) {
    const wanted = state.read(WANTED) ?? portAddresses([]);
    for (const other of node.pods.values()) {
      if (!other.ports.some((used) => portConflicts(used, wanted))) continue;
      return unschedulable("node(s) didn't have free ports for the requested pod ports");
    }
    return undefined;
  },
};
