import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { NO_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { schedulePod } from "../cycle.ts";
import { podInfo } from "../node-info.ts";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { node, pod, snapshot } from "../testing/objects.ts";
import { VolumeBinder, type VolumeBinderOptions } from "../volume-binder.ts";
import { volumeBinding } from "./volume-binding.ts";

const store = <T extends KubeObject>(...objects: T[]): ReadStore<T> =>
  ({
    get: (key: string) => objects.find((each) => keyOf(each) === key),
    list: () => objects,
  }) as ReadStore<T>;

const claim = (name: string): PersistentVolumeClaim => ({
  metadata: { namespace: "default", name, uid: name },
  spec: { storageClassName: "local", resources: { requests: { storage: "1Gi" } } },
});
const volume = (name: string, owner?: string): PersistentVolume => ({
  metadata: { name },
  spec: {
    storageClassName: "local",
    capacity: { storage: "1Gi" },
    ...(owner && { claimRef: { namespace: "default", name: owner } }),
  },
});
const metadata = { name: "local" };
const volumeBindingMode = "WaitForFirstConsumer" as const;

test("volumes are listed once in a cycle, for all claims on all nodes", () => {
  let listed = 0;
  const volumes = store(volume("free"), volume("of-x", "x"), volume("of-b", "b"), volume("more"));
  const view = {
    claims: store(claim("a"), claim("b"), claim("c")),
    volumes: { ...volumes, list: () => (listed++, volumes.list()) },
    classes: store({ metadata, provisioner: NO_PROVISIONER, volumeBindingMode }),
    drivers: store(),
    capacities: store(),
  };
  const binder = new VolumeBinder({} as VolumeBinderOptions);
  const framework = frameworkOf(DEFAULT_PROFILE, [volumeBinding(view as never, binder)]);
  const wanting = (...names: string[]) => {
    const claims = names.map((claimName) => ({
      name: claimName,
      persistentVolumeClaim: { claimName },
    }));
    const info = podInfo(pod("p", { volumes: claims }));
    const nodes = snapshot([
      [node("m"), []],
      [node("n"), []],
    ]);
    return schedulePod({ info, snapshot: nodes, framework, random: seededRandom(1) }).kind;
  };
  expect(wanting("a", "b", "c")).toBe("scheduled");
  expect(listed).toBe(1);
  volumes.list().pop();
  expect(wanting("a", "b")).toBe("scheduled");
  expect(wanting("a", "b", "c")).toBe("unschedulable");
});
