import { crowded, type Plugin } from "../framework.ts";
import { portsConflict } from "../node-info.ts";

/** Two pods cannot take the same port of a node. */
export const nodePorts: Plugin = {
  name: "NodePorts",
  weight: 0,
  events: ["node-added", "pod-removed"],
  consider({ ports }) {
    if (ports.length === 0) return {};
    return {
      filter(node) {
        for (const other of node.pods.values()) {
          if (!other.ports.some((taken) => ports.some((port) => portsConflict(port, taken)))) {
            continue;
          }
          return crowded("node(s) didn't have free ports for the requested pod ports");
        }
        return undefined;
      },
    };
  },
};
