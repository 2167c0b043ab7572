import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ensure } from "../registry/internal-write.ts";
import type { BootstrapServer } from "./server.ts";

interface PriorityClass extends KubeObject {
  value: number;
  description: string;
}

const CLASSES = [
  {
    name: "system-node-critical",
    value: 2_000_001_000,
    description: "Used for system critical pods that must not be moved from their current node.",
  },
  {
    name: "system-cluster-critical",
    value: 2_000_000_000,
    description:
      "Used for system critical pods that must run in the cluster, but can be " +
      "moved to another node if necessary.",
  },
];

/** The priorities of the cluster's own pods. */
export async function ensurePriorityClasses(server: BootstrapServer): Promise<void> {
  const resource = server.resources.of("scheduling.k8s.io/v1", "priorityclasses");
  for (const { name, value, description } of CLASSES) {
    const object: PriorityClass = { metadata: { name }, value, description };
    await ensure(server, resource, object);
  }
}
