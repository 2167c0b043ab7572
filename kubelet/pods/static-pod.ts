import { createHash } from "node:crypto";
import { defaultPodRequests } from "@raft2kube/api/core/v1/pod/defaults.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { CONFIG_HASH, CONFIG_SEEN, CONFIG_SOURCE } from "./pod-identity.ts";

/** A file of the static pod directory does not hold a pod. */
export class StaticPodError extends CodedError {}

/**
 * Returns a static pod from a file's parsed content. The node's name is the suffix of its name; its
 * UID is a hash of file, content and node, so that a changed file is another pod. Throws
 * StaticPodError.
 */
export function staticPod(
  parsed: unknown,
  from: { file: string; nodeName: string; now_ms: number },
): Pod {
  const { file, nodeName, now_ms } = from;
  const pod = structuredClone(parsed) as Partial<Pod> | null;
  if (pod?.kind !== "Pod" || pod.apiVersion !== "v1") {
    throw new StaticPodError("NOT_A_POD", `${file} does not hold a Pod of apiVersion v1`);
  }
  const name = pod.metadata?.name;
  if (!name) throw new StaticPodError("NO_NAME", `${file}: the pod has no metadata.name`);
  if (!pod.spec?.containers?.length) {
    throw new StaticPodError("NO_CONTAINERS", `${file}: the pod has no containers`);
  }
  const hash = createHash("md5")
    .update(JSON.stringify([nodeName, file, parsed]))
    .digest("hex");
  const uid = pod.metadata?.uid || hash;
  defaultPodRequests(pod.spec);
  return {
    ...pod,
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...pod.metadata,
      name: `${name}-${nodeName.toLowerCase()}`,
      namespace: pod.metadata?.namespace || "default",
      uid,
      annotations: {
        ...pod.metadata?.annotations,
        [CONFIG_HASH]: hash,
        [CONFIG_SOURCE]: "file",
        [CONFIG_SEEN]: new Date(now_ms).toISOString(),
      },
    },
    spec: {
      ...pod.spec,
      nodeName,
      // Static pods tolerate all NoExecute taints, as in upstream.
      tolerations: [...(pod.spec.tolerations ?? []), { operator: "Exists", effect: "NoExecute" }],
      terminationGracePeriodSeconds: pod.spec.terminationGracePeriodSeconds ?? 30,
    },
    status: { phase: "Pending" },
  };
}
