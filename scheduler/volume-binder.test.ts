import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { type Handler, InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
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

test("a change of a claim is shown to what waits for it, whatever else waits", async () => {
  const claim = (name: string, volumeName?: string) => ({
    metadata: { namespace: "n", name, uid: name, annotations: { [BIND_COMPLETED]: "yes" } },
    spec: volumeName === undefined ? {} : { volumeName },
  });
  const names = ["a", "b", "c"];
  const claims = new InformerCopy<PersistentVolumeClaim>();
  claims.replace(names.map((name) => claim(name)));
  let handlers = 0;
  const counted = {
    store: claims.store,
    handle: (handler: Handler<PersistentVolumeClaim>) => (handlers++, claims.handle(handler)),
  };
  const claimWriter = { patch: async () => undefined };
  const options = { claims: counted, claimWriter, volumeWriter: {}, clock: new ManualClock() };
  const binder = new VolumeBinder(options as unknown as VolumeBinderOptions);
  const bind = (name: string) => {
    const plan = { kind: "provision" as const, claim: claim(name) };
    const bound = binder.reserve(pod(name), [plan], "node-1").bind(new AbortController().signal);
    return bound.then(
      () => "bound",
      (thrown: Error) => thrown.message,
    );
  };
  const results = ["a", "a", "b", "c"].map(bind);
  await new Promise(setImmediate);
  expect(handlers).toBe(1);
  claims.apply({ type: "MODIFIED", object: claim("a", "v") });
  claims.apply({ type: "DELETED", object: claim("b") });
  claims.apply({ type: "ADDED", object: claim("b", "w") });
  expect(await Promise.all(results.slice(0, 3))).toEqual([
    "bound",
    "bound",
    "claim n/b: was deleted",
  ]);
  expect(await bind("b")).toBe("bound");
  claims.apply({ type: "MODIFIED", object: claim("c", "x") });
  expect(await results[3]).toBe("bound");
  expect(handlers).toBe(1);
});
