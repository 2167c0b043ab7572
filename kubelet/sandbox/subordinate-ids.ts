import { join } from "node:path";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { IdRange } from "./held-ranges.ts";

/** The user to whom an administrator may have given the ids of pods (KEP-127). */
const KUBELET = "kubelet";

/**
 * Reads the ids that users of the machine may take in user namespaces of their own (subuid(5),
 * subgid(5)): a process with one of them may be signalled and traced by its user.
 */
export async function subordinateIds(dir = "/etc"): Promise<IdRange[]> {
  const texts = await Promise.all(
    ["subuid", "subgid"].map((file) => readIfPresent(join(dir, file))),
  );
  return texts.flatMap((text = "") =>
    text.split("\n").flatMap((line) => {
      const [, user, first, count] = /^([^:]+):(\d+):(\d+)\s*$/.exec(line) ?? [];
      if (user === undefined || user === KUBELET) return [];
      return [{ hostId: Number(first), length: Number(count) }];
    }),
  );
}
