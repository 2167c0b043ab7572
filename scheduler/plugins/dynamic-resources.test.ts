import type { PodResourceClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { schedulePod } from "../cycle.ts";
import { podInfo } from "../node-info.ts";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { node, pod, snapshot } from "../testing/objects.ts";
import { dynamicResources } from "./dynamic-resources.ts";

const there: ResourceClaim = {
  metadata: { namespace: "default", name: "there" },
  spec: { devices: { requests: [] } },
};
const view = {
  get: (key) => (key === "default/there" ? there : undefined),
  list: () => [there],
} as ReadStore<ResourceClaim>;
const framework = frameworkOf(DEFAULT_PROFILE, [dynamicResources(view)]);

test.each<[string, PodResourceClaim[], string]>([
  [
    "a claim that does not exist",
    [{ name: "gpu", resourceClaimName: "none" }],
    'resourceclaim "none" not found (spec.resourceClaims: gpu)',
  ],
  [
    "a claim that nothing allocates",
    [{ name: "gpu", resourceClaimName: "there" }],
    'resourceclaim "there" cannot be allocated: no devices are allocated here ' +
      "(spec.resourceClaims: gpu)",
  ],
  [
    "a template, and a claim",
    [
      { name: "nic", resourceClaimTemplateName: "port" },
      { name: "gpu", resourceClaimName: "none" },
    ],
    'no claim is made from resourceclaimtemplate "port" here (spec.resourceClaims: nic), ' +
      'resourceclaim "none" not found (spec.resourceClaims: gpu)',
  ],
])("a pod with resource claims is unschedulable: %s", (_name, resourceClaims, why) => {
  const info = podInfo(pod("asking", { resourceClaims }));
  const nodes = snapshot([[node("a"), []]]);
  const decision = schedulePod({ info, snapshot: nodes, framework, random: seededRandom(1) });
  expect(decision).toMatchObject({
    kind: "unschedulable",
    message: `0/1 nodes are available: ${why}.`,
  });
});
