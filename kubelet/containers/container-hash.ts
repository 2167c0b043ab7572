import { createHash } from "node:crypto";
import type { Container } from "@raft2kube/api/gen/core/v1.ts";

/**
 * What of a container's spec cannot change under a running container: its name and image, the only
 * fields of a running pod that the API lets be changed and that need a new container. Stored as an
 * annotation, so that a restarted kubelet leaves matching containers alone.
 */
export function containerHash(container: Container): string {
  const { name, image } = container;
  return createHash("sha256").update(JSON.stringify([name, image])).digest("hex").slice(0, 16);
}
