import type { Deployment } from "@raft2kube/api/gen/apps/v1.ts";
import { setOf } from "@raft2kube/controllers/testing/objects.ts";

/** Bounds as `kubectl` shows them: `25%`, `1`. */
export type Bounds = { readonly surge?: string | number; readonly unavailable?: string | number };

export function deploymentOf(
  replicas: number,
  { surge, unavailable }: Bounds = {},
  version = "new",
): Deployment {
  const { spec } = setOf(version, replicas);
  const rollingUpdate = {
    ...(surge === undefined ? {} : { maxSurge: surge }),
    ...(unavailable === undefined ? {} : { maxUnavailable: unavailable }),
  };
  return {
    metadata: { name: "web", namespace: "shop", uid: "d", generation: 1 },
    spec: {
      replicas,
      selector: spec.selector,
      template: spec.template!,
      revisionHistoryLimit: 10,
      strategy: { type: "RollingUpdate", rollingUpdate },
    },
  };
}
