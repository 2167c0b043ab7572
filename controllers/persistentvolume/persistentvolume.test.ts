import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { findVolume, reservedFor } from "@raft2kube/client-kube/object/volumes.ts";
import { describe, expect, test } from "vitest";
import { loopContext } from "../testing/loop-context.ts";
import { type ClaimView, planClaim } from "./claim-plan.ts";
import { startVolumeBinder } from "./persistentvolume.ts";
import { planVolume, unbound } from "./volume-plan.ts";

type ClaimSpec = Partial<PersistentVolumeClaim["spec"]>;
type VolumeSpec = Partial<PersistentVolume["spec"]>;

function claim(spec: ClaimSpec = {}, annotations: Record<string, string> = {}) {
  const made: PersistentVolumeClaim = {
    metadata: { namespace: "ns", name: "data", uid: "c1", annotations },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Gi" } },
      storageClassName: "fast",
      ...spec,
    },
    status: { phase: "Pending" },
  };
  return made;
}

function volume(name: string, spec: VolumeSpec = {}, annotations: Record<string, string> = {}) {
  const made: PersistentVolume = {
    metadata: { name, uid: name, annotations },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      storageClassName: "fast",
      persistentVolumeReclaimPolicy: "Delete",
      ...spec,
    },
    status: { phase: "Available" },
  };
  return made;
}

function storageClass(name: string, shape: Partial<StorageClass> = {}): StorageClass {
  return { metadata: { name }, provisioner: "csi.example.com", ...shape };
}

function view(volumes: PersistentVolume[], classes: StorageClass[] = []): ClaimView {
  return {
    volumes: () => volumes,
    volume: (name) => volumes.find((item) => item.metadata.name === name),
    storageClass: (name) => classes.find((item) => item.metadata.name === name),
    defaultClass: () => undefined,
  };
}

const BOUND = { "pv.kubernetes.io/bind-completed": "yes" };
const mine = { claimRef: { namespace: "ns", name: "data", uid: "c1" } };
const others = { claimRef: { namespace: "ns", name: "data", uid: "c2" } };
const going = volume("a");
going.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
const waits = storageClass("fast", { volumeBindingMode: "WaitForFirstConsumer" });

describe("findVolume", () => {
  test.each<[string, PersistentVolume[], string | undefined]>([
    [
      "the smallest that suffices",
      [
        volume("big", { capacity: { storage: "10Gi" } }),
        volume("fit", { capacity: { storage: "2Gi" } }),
        volume("small", { capacity: { storage: "500Mi" } }),
      ],
      "fit",
    ],
    ["not of another class", [volume("a", { storageClassName: "slow" })], undefined],
    ["not with another access mode", [volume("a", { accessModes: ["ReadOnlyMany"] })], undefined],
    ["not of another mode", [volume("a", { volumeMode: "Block" })], undefined],
    ["not with other attributes", [volume("a", { volumeAttributesClassName: "x" })], undefined],
    ["not another's", [volume("a", others)], undefined],
    [
      "kept for it, though of another class",
      [volume("free"), volume("own", { ...mine, storageClassName: "" })],
      "own",
    ],
    ["not one kept for it that is too small", [volume("a", { ...mine, capacity: {} })], undefined],
    [
      "its own before a smaller free one",
      [volume("free"), volume("own", { ...mine, capacity: { storage: "5Gi" } })],
      "own",
    ],
    [
      "kept by name, without uid",
      [volume("own", { claimRef: { namespace: "ns", name: "data" } })],
      "own",
    ],
  ])("%s", (_name, volumes, expected) => {
    expect(findVolume(volumes, claim())?.metadata.name).toBe(expected);
  });

  test("only what its selector selects", () => {
    const labelled = volume("labelled");
    labelled.metadata.labels = { tier: "gold" };
    const picky = claim({ selector: { matchLabels: { tier: "gold" } } });
    expect(findVolume([volume("a"), labelled], picky)?.metadata.name).toBe("labelled");
  });

  test("volumes of other claims are not compared with what it asks for", () => {
    const bound = volume("bound", others);
    const { spec } = bound;
    bound.spec = {
      ...spec,
      get capacity(): never {
        throw new Error("compared");
      },
      get storageClassName(): never {
        throw new Error("compared");
      },
    };
    expect(findVolume([bound, volume("free")], claim())?.metadata.name).toBe("free");
  });

  test("not a released one", () => {
    const released = { ...volume("a"), status: { phase: "Released" as const } };
    expect(findVolume([released], claim())).toBeUndefined();
  });
});

describe("planClaim", () => {
  test.each<[string, PersistentVolumeClaim, ClaimView, object]>([
    ["a volume is there", claim(), view([volume("a")]), { do: "bind" }],
    [
      "none, the class can make one",
      claim(),
      view([], [storageClass("fast")]),
      { do: "provision", provisioner: "csi.example.com" },
    ],
    [
      "waits for its first consumer",
      claim(),
      view([volume("a")], [waits]),
      { do: "wait", event: { reason: "WaitForFirstConsumer" } },
    ],
    [
      "its consumer was given a node",
      claim({}, { "volume.kubernetes.io/selected-node": "n" }),
      view([], [waits]),
      { do: "provision" },
    ],
    [
      "waiting, but its volume was made",
      claim(),
      view([volume("a", mine)], [waits]),
      { do: "bind" },
    ],
    [
      "no class and no volume",
      claim({ storageClassName: "" }),
      view([]),
      { do: "wait", event: { reason: "FailedBinding" } },
    ],
    [
      "the class of an in-tree provisioner",
      claim(),
      view([], [storageClass("fast", { provisioner: "kubernetes.io/cinder" })]),
      { do: "provision", provisioner: "cinder.csi.openstack.org" },
    ],
    [
      "of one that is gone",
      claim(),
      view([], [storageClass("fast", { provisioner: "kubernetes.io/glusterfs" })]),
      { do: "wait", event: { message: "no volume plugin matched name: kubernetes.io/glusterfs" } },
    ],
    [
      "an unknown class",
      claim(),
      view([]),
      { do: "wait", event: { reason: "ProvisioningFailed" } },
    ],
    ["names a volume that is not there yet", claim({ volumeName: "a" }), view([]), { do: "wait" }],
    [
      "names a volume that its selector would not select",
      claim({ volumeName: "a", selector: { matchLabels: { tier: "gold" } } }),
      view([volume("a")]),
      { do: "bind" },
    ],
    ["names a free volume", claim({ volumeName: "a" }), view([volume("a")]), { do: "bind" }],
    [
      "names a volume of another",
      claim({ volumeName: "a" }),
      view([volume("a", others)]),
      { do: "wait", event: { reason: "FailedBinding" } },
    ],
    [
      "names one that is being deleted",
      claim({ volumeName: "a" }),
      view([going]),
      { do: "wait", event: { reason: "VolumeMismatch" } },
    ],
    [
      "names one that does not fit",
      claim({ volumeName: "a" }),
      view([volume("a", { storageClassName: "slow" })]),
      { do: "wait", event: { reason: "VolumeMismatch" } },
    ],
    ["bound", claim({ volumeName: "a" }, BOUND), view([volume("a", mine)]), { do: "bind" }],
    [
      "bound, its volume is gone",
      claim({ volumeName: "a" }, BOUND),
      view([]),
      { do: "lost", event: { reason: "ClaimLost" } },
    ],
    [
      "bound, its volume is another's",
      claim({ volumeName: "a" }, BOUND),
      view([volume("a", others)]),
      { do: "lost", event: { reason: "ClaimMisbound" } },
    ],
  ])("%s", (_name, wanted, seen, expected) => {
    expect(planClaim(wanted, seen)).toMatchObject(expected);
  });

  test("a claim without a class gets the default one", () => {
    const { storageClassName: _none, ...spec } = claim().spec;
    const seen = { ...view([]), defaultClass: () => storageClass("standard") };
    const expected = { do: "default-class", name: "standard" };
    expect(planClaim({ ...claim(), spec }, seen)).toEqual(expected);
    const { storageClassName: _class, ...free } = volume("free").spec;
    const unclassed = { ...volume("free"), spec: free };
    const both = { ...seen, volumes: () => [unclassed] };
    expect(planClaim({ ...claim(), spec }, both)).toMatchObject({ do: "bind" });
  });
});

describe("planVolume", () => {
  const provisioned = (spec: VolumeSpec, by = "csi.example.com") =>
    volume("a", spec, { "pv.kubernetes.io/provisioned-by": by });
  const bound = claim({ volumeName: "a" }, BOUND);
  test.each<[string, PersistentVolume, PersistentVolumeClaim | undefined, object]>([
    ["free", volume("a"), undefined, { do: "phase", phase: "Available" }],
    [
      "kept by name",
      volume("a", { claimRef: { namespace: "ns", name: "data" } }),
      undefined,
      { do: "phase", phase: "Available" },
    ],
    ["bound", volume("a", mine), bound, { do: "phase", phase: "Bound" }],
    ["its claim is gone", provisioned(mine), undefined, { do: "phase", phase: "Released" }],
    ["its claim was replaced", provisioned(others), bound, { do: "phase", phase: "Released" }],
    [
      "to be retained",
      volume("a", { ...mine, persistentVolumeReclaimPolicy: "Retain" }),
      undefined,
      { do: "phase", phase: "Released" },
    ],
    [
      "to be deleted by an in-tree provisioner that a driver took over",
      provisioned(mine, "kubernetes.io/aws-ebs"),
      undefined,
      { do: "phase", phase: "Released" },
    ],
    [
      "that none took over",
      provisioned(mine, "kubernetes.io/rbd"),
      undefined,
      { do: "failed", reason: "VolumeFailedDelete" },
    ],
    [
      "to be deleted, made by hand",
      volume("a", mine),
      undefined,
      { do: "failed", reason: "VolumeFailedDelete" },
    ],
    [
      "made by hand for a driver",
      volume("a", { ...mine, csi: { driver: "d", volumeHandle: "h" } }),
      undefined,
      { do: "phase", phase: "Released" },
    ],
    ["its claim is not finished", volume("a", mine), claim(), { do: "look-at-claim" }],
    [
      "its claim took another",
      volume("b", mine, { "pv.kubernetes.io/bound-by-controller": "yes" }),
      bound,
      { do: "unbind" },
    ],
    [
      "its claim took another, though kept for it by hand",
      volume("b", mine),
      bound,
      { do: "unbind" },
    ],
    [
      "its claim took another while this was made for it",
      volume("b", mine, { "pv.kubernetes.io/provisioned-by": "csi.example.com" }),
      bound,
      { do: "phase", phase: "Released" },
    ],
    [
      "to be recycled",
      volume("a", { ...mine, persistentVolumeReclaimPolicy: "Recycle" }),
      undefined,
      { do: "failed", reason: "VolumeFailedRecycle" },
    ],
  ])("%s", (_name, wanted, itsClaim, expected) => {
    expect(planVolume(wanted, itsClaim)).toMatchObject(expected);
  });
});

test("unbinding takes back what the binder wrote and leaves what a person wrote", () => {
  const byUs = reservedFor(volume("a"), claim());
  expect(byUs.metadata.annotations).toEqual({ "pv.kubernetes.io/bound-by-controller": "yes" });
  expect(unbound(byUs).spec.claimRef).toBeUndefined();
  const byHand = reservedFor(volume("a", { claimRef: { namespace: "ns", name: "data" } }), claim());
  expect(byHand.metadata.annotations).toEqual({});
  expect(unbound(byHand).spec.claimRef).toMatchObject({ namespace: "ns", name: "data" });
  expect(unbound(byHand).spec.claimRef?.uid).toBeUndefined();
});

/** The binder over these objects; the events say which claims it looked at and left as they are. */
function binder(claims: PersistentVolumeClaim[], volumes: PersistentVolume[]) {
  const requests: string[] = [];
  const bodies: unknown[] = [];
  const objects = { persistentvolumeclaims: claims, persistentvolumes: volumes };
  const { context, copies, events } = loopContext(objects, ({ method, path, body }) => {
    requests.push(`${method} ${path.split("/").at(-1)}`);
    bodies.push(body);
    return body;
  });
  return { requests, bodies, copies, events, running: startVolumeBinder(context) };
}

const named = (name: string, storageClassName: string): PersistentVolumeClaim => {
  const made = claim({ storageClassName });
  return { ...made, metadata: { ...made.metadata, name, uid: name } };
};

test("a claim that is bound has the attributes that its volume was made with", async () => {
  const gold = { volumeAttributesClassName: "gold" };
  const { bodies, running } = binder([claim(gold)], [volume("v", gold)]);
  const status = { phase: "Bound", currentVolumeAttributesClassName: "gold" };
  await expect.poll(() => bodies.at(-1)).toMatchObject({ status });
  await running.close();
});

test("a free volume that changes concerns the open claims of its class alone", async () => {
  const large = { resources: { requests: { storage: "2Gi" } } };
  const fast = named("fast", "fast");
  fast.spec = { ...fast.spec, ...large };
  const { copies, events, running } = binder([fast, named("slow", "slow")], [volume("v")]);
  const looks = () => events.map(({ about }) => about).toSorted();
  await expect.poll(looks).toEqual(["fast", "slow"]);
  copies.get("persistentvolumes")?.apply({ type: "MODIFIED", object: volume("v") });
  await expect.poll(looks).toEqual(["fast", "fast", "slow"]);
  await running.close();
});

test("a volume is found by the claim that it is kept for, or that named it", async () => {
  const kept = volume("kept", { claimRef: { namespace: "ns", name: "a" } });
  const lost = named("lost", "fast");
  lost.metadata.annotations = BOUND;
  lost.spec.volumeName = "gone";
  const own = { currentVolumeAttributesClassName: "gold", conditions: [] };
  lost.status = { phase: "Bound", capacity: { storage: "1Gi" }, accessModes: [], ...own };
  const { requests, bodies, copies, running } = binder(
    [lost],
    [volume("gone", { claimRef: { ...mine.claimRef, name: "lost", uid: "lost" } })],
  );
  await expect.poll(() => requests).toContain("PUT status");
  requests.length = 0;
  copies.get("persistentvolumes")?.replace([kept]);
  await expect.poll(() => requests).toEqual(["PUT status"]);
  expect(bodies.at(-1)).toHaveProperty("status", { phase: "Lost", conditions: [] });
  requests.length = 0;
  copies.get("persistentvolumeclaims")?.apply({ type: "ADDED", object: named("a", "fast") });
  await expect.poll(() => requests).toContain("PUT kept");
  await running.close();
});
