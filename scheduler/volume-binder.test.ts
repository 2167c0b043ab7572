import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { BIND_COMPLETED, SELECTED_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { pod } from "./testing/objects.ts";
import { VolumeBinder, type VolumeBinderOptions } from "./volume-binder.ts";

test("the selected node is written alone, over the claim that was read after a conflict", async () => {
  const claim = (resourceVersion: string, annotations = {}, volumeName?: string) => ({
    metadata: { namespace: "n", name: "c", uid: "u", resourceVersion, annotations },
    spec: volumeName === undefined ? {} : { volumeName },
  });
  const claims = new InformerCopy<PersistentVolumeClaim>();
  claims.replace([claim("1")]);
  const patches: unknown[] = [];
  const claimWriter = {
    get: async () => claim("2", { other: "kept" }),
    async patch(...[name, type, patch]: unknown[]) {
      patches.push([name, type, patch]);
      if (patches.length === 1) throw new KubeError({ code: 409, reason: "Conflict" });
      const annotations = { [SELECTED_NODE]: "node-1", [BIND_COMPLETED]: "yes" };
      claims.apply({ type: "MODIFIED", object: claim("3", annotations, "v") });
    },
  };
  const options = { claims, claimWriter, volumeWriter: {}, clock: new ManualClock() };
  const binder = new VolumeBinder(options as unknown as VolumeBinderOptions);
  const plan = { kind: "provision" as const, claim: claim("1") };
  await binder.reserve(pod("p"), [plan], "node-1").bind(new AbortController().signal);
  const written = (resourceVersion: string) => [
    { namespace: "n", name: "c" },
    "merge",
    { metadata: { resourceVersion, annotations: { [SELECTED_NODE]: "node-1" } } },
  ];
  expect(patches).toEqual([written("1"), written("2")]);
});
