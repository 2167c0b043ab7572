import type {
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeClaim,
} from "@raft2kube/api/gen/core/v1.ts";
import type { CSIStorageCapacity } from "@raft2kube/api/gen/storage/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { NO_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { schedulePod } from "../cycle.ts";
import { CycleState } from "../framework/cycle-state.ts";
import { podInfo } from "../node-info.ts";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { node, pod, snapshot } from "../testing/objects.ts";
import { type ClaimPlan, VolumeBinder, type VolumeBinderOptions } from "../volume-binder.ts";
import { type StorageView, volumeBinding } from "./volume-binding.ts";

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

test("volumes of others are looked at once, for however many claims", () => {
  let reads = 0;
  const others = Array.from({ length: 5 }, (_, place) => {
    const { metadata, spec } = volume(`of-${place}`, `other-${place}`);
    return {
      metadata,
      get spec() {
        reads++;
        return spec;
      },
    };
  });
  const names = ["a", "b", "c", "d"];
  const view = {
    claims: store(...names.map(claim)),
    volumes: store(...others, ...names.map((name) => volume(`free-${name}`))),
    classes: store({ metadata, provisioner: NO_PROVISIONER, volumeBindingMode }),
    drivers: store(),
    capacities: store(),
  } as never;
  plansOn(view, ["m"], ["a"]);
  const forOne = reads;
  plansOn(view, ["m"], names);
  expect(reads).toBe(2 * forOne);
});

const HOSTNAME = "kubernetes.io/hostname";

/** A volume with one term of node affinity for each of `terms`. */
function near(name: string, storage: string, ...terms: NodeSelectorTerm[]): PersistentVolume {
  const nodeAffinity = { required: { nodeSelectorTerms: terms } };
  return {
    metadata: { name },
    spec: {
      storageClassName: "local",
      capacity: { storage },
      ...(terms.length > 0 && { nodeAffinity }),
    },
  };
}

const on = (...values: string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key: HOSTNAME, operator: "In", values }],
});
const capacityOf = (name: string, capacity: string, on: string): CSIStorageCapacity => ({
  metadata: { namespace: "csi", name },
  storageClassName: "local",
  capacity,
  nodeTopology: { matchLabels: { [HOSTNAME]: on } },
});

/** The storage of a cluster whose class has a provisioner if there are capacities. */
function viewOf(volumes: PersistentVolume[], capacities: CSIStorageCapacity[] = []): StorageView {
  const provisioner = capacities.length > 0 ? "csi" : NO_PROVISIONER;
  return {
    claims: store(claim("a"), claim("b")),
    volumes: store(...volumes),
    classes: store({ metadata, provisioner, volumeBindingMode }),
    drivers: store({ metadata: { name: "csi" }, spec: { storageCapacity: true } }),
    capacities: store(...capacities),
  };
}

/** Returns what is planned on each node for a pod with these claims, or why nothing is. */
function plansOn(view: StorageView, names: string[], claims: string[], reserved: string[] = []) {
  let planned: string[] = [];
  const binder = {
    reserved: new Map(reserved.map((name) => [name, "other"])),
    reserve(_pod: unknown, plans: ClaimPlan[]) {
      planned = plans.map((plan) => (plan.kind === "bind" ? keyOf(plan.volume) : plan.kind));
    },
  };
  const plugin = volumeBinding(view, binder as unknown as VolumeBinder);
  const nodes = snapshot(names.map((name) => [node(name), []]));
  const state = new CycleState(nodes);
  const volumes = claims.map((claimName) => ({
    name: claimName,
    persistentVolumeClaim: { claimName },
  }));
  const info = podInfo(pod("p", { volumes }));
  expect(plugin.preFilter(state, info)).toBeUndefined();
  return nodes.nodes.map((each) => {
    const status = plugin.filter(state, info, each);
    if (status) return status.reasons.join();
    plugin.reserve(state, info, each);
    return planned.join();
  });
}

test("a claim gets the volume reserved for it, else the smallest that its node reaches", () => {
  const notN: NodeSelectorTerm = {
    matchExpressions: [{ key: HOSTNAME, operator: "NotIn", values: ["n"] }],
  };
  const named: NodeSelectorTerm = {
    matchFields: [{ key: "metadata.name", operator: "In", values: ["o"] }],
  };
  const volumes = [
    near("anywhere", "4Gi"),
    near("on-m", "3Gi", on("m")),
    near("on-m-or-n", "2Gi", on("m"), on("n")),
    near("not-on-n", "1Gi", notN),
    near("too-small", "1Mi"),
    near("on-o-by-name", "1Gi", named),
    near("nowhere", "1Gi", {}),
  ];
  const names = ["m", "n", "o"];
  const view = viewOf(volumes);
  expect(plansOn(view, names, ["a"])).toEqual(["not-on-n", "on-m-or-n", "not-on-n"]);
  expect(plansOn(view, names, ["a", "b"])).toEqual([
    "not-on-n,on-m-or-n",
    "on-m-or-n,anywhere",
    "not-on-n,on-o-by-name",
  ]);
  const none = "node(s) didn't find available persistent volumes to bind";
  const taken = ["anywhere", "not-on-n", "on-m-or-n"];
  expect(plansOn(view, names, ["a"], taken)).toEqual(["on-m", none, "on-o-by-name"]);
  const kept = near("kept", "9Gi", on("n"));
  kept.spec.claimRef = { namespace: "default", name: "a" };
  const withKept = viewOf([...volumes, kept]);
  expect(plansOn(withKept, names, ["b", "a"])[1]).toBe("on-m-or-n,kept");
});

test("a volume is provisioned where a capacity suffices", () => {
  const capacities = [capacityOf("1", "1Gi", "m"), capacityOf("2", "1Mi", "n")];
  const planned = plansOn(viewOf([], capacities), ["m", "n", "o"], ["a"]);
  const none = "node(s) did not have enough free storage";
  expect(planned).toEqual(["provision", none, none]);
});

test("a cycle looks at each volume and capacity a few times, however many nodes there are", () => {
  const looks = (nodes: number) => {
    let count = 0;
    const counted = <T extends object>(object: T): T =>
      new Proxy(object, { get: (...access) => (count++, Reflect.get(...access)) });
    const names = Array.from({ length: nodes }, (_, i) => `n${i}`);
    const volumes = names.map((name) => counted(near(`on-${name}`, "1Gi", on(name))));
    plansOn(viewOf(volumes), names, ["a"]);
    const capacities = names.map((name) => counted(capacityOf(name, "1Gi", name)));
    plansOn(viewOf([], capacities), names, ["a"]);
    return count;
  };
  expect(looks(200)).toBeLessThan(looks(100) * 3);
});
