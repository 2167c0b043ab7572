import { createHash } from "node:crypto";
import type { Container } from "@raft2kube/api/gen/core/v1.ts";

/**
 * Hash of the fields whose change needs a new container: name and image, the only such fields that
 * the API lets a running pod change. Stored as an annotation, so that a restarted kubelet keeps
 * containers whose hash matches.
 */
export function containerHash(container: Container): string {
  const { name, image } = container;
  return createHash("sha256")
    .update(JSON.stringify([name, image]))
    .digest("hex")
    .slice(0, 16);
}
