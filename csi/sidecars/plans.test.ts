import type {
  ClaimResourceStatus,
  PersistentVolume,
  PersistentVolumeClaim,
} from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { PROVISIONER_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import {
  VolumeCapability_AccessMode_Mode as Mode,
  ControllerServiceCapability_RPC_Type as Rpc,
} from "@raft2kube/proto/gen/csi.ts";
import { describe, expect, it } from "vitest";
import { isBoundTo, planClaim } from "./claim-plan.ts";
import { createVolumeRequest } from "./create-request.ts";
import { planModify } from "./modify-plan.ts";
import { persistentVolumeOf } from "./persistent-volume.ts";
import { planResize } from "./resize-plan.ts";
import { changedFinalizers, isToBeDeleted } from "./volume-plan.ts";

const DRIVER = "d.example";
const PROVISIONER = "volume.kubernetes.io/storage-provisioner";
const SELECTED = "volume.kubernetes.io/selected-node";

const claim = (
  annotations: Record<string, string> = { [PROVISIONER]: DRIVER },
  spec: Partial<PersistentVolumeClaim["spec"]> = {},
): PersistentVolumeClaim => ({
  metadata: { name: "c", namespace: "n", uid: "u1", annotations },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
});
const storageClass = (more: Partial<StorageClass> = {}): StorageClass => ({
  metadata: { name: "class" },
  provisioner: DRIVER,
  ...more,
});

describe("planClaim", () => {
  const later = storageClass({ volumeBindingMode: "WaitForFirstConsumer" });
  const central = { driverName: DRIVER, hasTopology: true, nodeName: undefined };
  const onNode = { ...central, nodeName: "n1" };
  const selected = { [PROVISIONER]: DRIVER, [SELECTED]: "n1" };
  const actOf = (...of: Parameters<typeof planClaim>) => planClaim(...of).act;

  it("leaves what is bound, not handed to it, of another class, or being deleted", () => {
    expect(actOf(claim(undefined, { volumeName: "pv" }), storageClass(), central)).toBe("leave");
    expect(actOf(claim({}), storageClass(), central)).toBe("leave");
    expect(actOf(claim({ [PROVISIONER]: "other" }), storageClass(), central)).toBe("leave");
    expect(actOf(claim(), storageClass({ provisioner: "other" }), central)).toBe("leave");
    expect(actOf(claim(), undefined, central)).toBe("leave");
    const dying = claim();
    dying.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    expect(actOf(dying, storageClass(), central)).toBe("leave");
  });

  it("waits for the scheduler where the class says so", () => {
    expect(actOf(claim(), later, central)).toBe("leave");
    expect(planClaim(claim(selected), later, central)).toMatchObject({
      act: "provision",
      selectedNode: "n1",
    });
  });

  it("leaves what any node can reach to the node that the class names", () => {
    const shared = { ...onNode, hasTopology: false };
    const classOf = (node: string, more: Partial<StorageClass> = {}) =>
      storageClass({ metadata: { name: "fast", labels: { [PROVISIONER_NODE]: node } }, ...more });
    expect(actOf(claim(), storageClass(), shared)).toBe("leave");
    expect(actOf(claim(), classOf("n2"), shared)).toBe("leave");
    expect(actOf(claim(), classOf("n1"), shared)).toBe("provision");
    const waiting = classOf("n1", { volumeBindingMode: "WaitForFirstConsumer" });
    expect(actOf(claim(), waiting, shared)).toBe("leave");
    const elsewhere = { ...selected, [SELECTED]: "n2" };
    expect(actOf(claim(elsewhere), waiting, shared)).toBe("provision");
    expect(actOf(claim(elsewhere), classOf("n2"), { ...shared, nodeName: undefined })).toBe(
      "provision",
    );
  });

  it("leaves a claim to the populator of its source, and no other", () => {
    const of = (dataSource: { apiGroup?: string; kind: string }) =>
      actOf(
        claim(undefined, { dataSource: { name: "x", apiGroup: "", ...dataSource } }),
        storageClass(),
        central,
      );
    expect(of({ apiGroup: "example.com", kind: "Book" })).toBe("populate");
    expect(of({ kind: "PersistentVolumeClaim" })).toBe("provision");
    expect(of({ apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot" })).toBe("provision");
    const foreign = { apiGroup: "example.com", kind: "PersistentVolumeClaim" };
    expect(of(foreign)).toBe("populate");
  });

  it("takes the claims of the in-tree provisioner that the driver took over", () => {
    const ebs = { ...central, driverName: "ebs.csi.aws.com" };
    const inTree = storageClass({ provisioner: "kubernetes.io/aws-ebs" });
    for (const asked of ["kubernetes.io/aws-ebs", "ebs.csi.aws.com"]) {
      expect(actOf(claim({ [PROVISIONER]: asked }), inTree, ebs)).toBe("provision");
      expect(actOf(claim({ [PROVISIONER]: asked }), inTree, central)).toBe("leave");
    }
  });

  it("on a node, takes its own claims and those that no node has", () => {
    expect(actOf(claim(selected), later, onNode)).toBe("provision");
    expect(actOf(claim({ ...selected, [SELECTED]: "n2" }), later, onNode)).toBe("leave");
    expect(actOf(claim(), storageClass(), onNode)).toBe("selectNode");
    expect(actOf(claim(), later, onNode)).toBe("leave");
  });
});

describe("isBoundTo: whose content a volume has", () => {
  const bound = { ...claim({}, { volumeName: "pv" }), status: { phase: "Bound" as const } };
  const volume = (uid?: string): PersistentVolume => ({
    metadata: { name: "pv" },
    spec: uid === undefined ? {} : { claimRef: { namespace: "n", name: "c", uid } },
  });

  it("both sides name each other", () => {
    expect(isBoundTo(bound, volume("u1"))).toBe(true);
  });

  it("a claim that names another claim's volume, or one that no claim has, is not bound", () => {
    expect(isBoundTo(bound, volume("victim"))).toBe(false);
    expect(isBoundTo(bound, volume())).toBe(false);
    expect(isBoundTo({ ...bound, status: { phase: "Pending" } }, volume("u1"))).toBe(false);
    expect(isBoundTo({ ...bound, spec: { ...bound.spec, volumeName: "x" } }, volume("u1"))).toBe(
      false,
    );
  });
});

describe("createVolumeRequest", () => {
  const bare = {
    capabilities: new Set<number>(),
    topology: undefined,
    source: undefined,
    mutableParameters: { iops: "5" },
  };

  it("is named after the claim and asks for its size, modes and the class's options", () => {
    const parameters = { speed: "fast", "csi.storage.k8s.io/fstype": "xfs" };
    const options = storageClass({ parameters, mountOptions: ["noatime"] });
    const segments = { zone: "z" };
    const topology = { requisite: [{ segments }], preferred: [{ segments }] };
    expect(createVolumeRequest(claim(), options, { ...bare, topology })).toEqual({
      name: "pvc-u1",
      mutableParameters: { iops: "5" },
      capacityRange: { requiredBytes: 2 ** 30, limitBytes: 0 },
      volumeCapabilities: [
        {
          mount: { fsType: "xfs", mountFlags: ["noatime"] },
          accessMode: { mode: Mode.SINGLE_NODE_WRITER },
        },
      ],
      parameters: { speed: "fast" },
      volumeContentSource: undefined,
      accessibilityRequirements: topology,
    });
  });

  it("takes the file system from the deprecated parameter, and passes that on", () => {
    const parameters = { fsType: "xfs" };
    const request = createVolumeRequest(claim(), storageClass({ parameters }), bare);
    expect(request).toMatchObject({ parameters, volumeCapabilities: [{ mount: parameters }] });
    const both = storageClass({ parameters: { ...parameters, "csi.storage.k8s.io/fstype": "" } });
    expect(() => createVolumeRequest(claim(), both, bare)).toThrow("exclude each other");
  });

  it.each([
    ["ReadWriteOnce", Mode.SINGLE_NODE_MULTI_WRITER],
    ["ReadWriteOncePod", Mode.SINGLE_NODE_SINGLE_WRITER],
    ["ReadOnlyMany", Mode.MULTI_NODE_READER_ONLY],
    ["ReadWriteMany", Mode.MULTI_NODE_MULTI_WRITER],
  ])("says %s more exactly to a driver that distinguishes writers", (accessMode, mode) => {
    const capabilities = new Set<number>([Rpc.SINGLE_NODE_MULTI_WRITER]);
    const of = claim(undefined, { accessModes: [accessMode as "ReadWriteOnce"] });
    const request = createVolumeRequest(of, storageClass(), { ...bare, capabilities });
    expect(request.volumeCapabilities?.[0]?.accessMode).toEqual({ mode });
  });

  it("passes the names of claim and volume where that is wanted, and those alone", () => {
    const { parameters } = createVolumeRequest(claim(), storageClass(), { ...bare, names: true });
    const { name = "", namespace = "" } = claim().metadata;
    expect(parameters).toEqual({
      "csi.storage.k8s.io/pvc/name": name,
      "csi.storage.k8s.io/pvc/namespace": namespace,
      "csi.storage.k8s.io/pv/name": "pvc-u1",
    });
  });

  it("refuses selectors, claims without size, and parameters it would ignore", () => {
    const request =
      (of: PersistentVolumeClaim, options = storageClass()) =>
      () =>
        createVolumeRequest(of, options, bare);
    expect(request(claim(undefined, { selector: {} }))).toThrow("Selector is not supported");
    expect(request(claim(undefined, { resources: {} }))).toThrow("requests no storage");
    const parameters = { "csi.storage.k8s.io/provisioner-secret-name": "s" };
    expect(request(claim(), storageClass({ parameters }))).toThrow("provisioner-secret-name");
  });
});

describe("a provisioned volume", () => {
  const made = persistentVolumeOf(claim(), storageClass({ reclaimPolicy: "Delete" }), DRIVER, {
    volumeId: "v1",
    capacityBytes: 2 ** 31,
    volumeContext: { a: "b" },
    accessibleTopology: [{ segments: { zone: "z" } }],
  });
  const released: PersistentVolume = { ...made, status: { phase: "Released" } };
  const owner = { driverName: DRIVER, segments: undefined };

  it("has the driver's size and attributes", () => {
    expect(made.spec.capacity).toEqual({ storage: "2Gi" });
    expect(made.spec.csi?.volumeAttributes).toEqual({ a: "b" });
  });

  it("is read-only for a claim that only reads, if the driver can publish it so", () => {
    const readers = claim(undefined, { accessModes: ["ReadOnlyMany"] });
    const volume = { volumeId: "v1", capacityBytes: 0, volumeContext: {}, accessibleTopology: [] };
    const readOnlyOf = (of: PersistentVolumeClaim, rpc: number) =>
      persistentVolumeOf(of, storageClass(), DRIVER, volume, new Set([rpc])).spec.csi?.readOnly;
    expect(readOnlyOf(readers, Rpc.PUBLISH_READONLY)).toBe(true);
    expect(readOnlyOf(readers, Rpc.CLONE_VOLUME)).toBeUndefined();
    expect(readOnlyOf(claim(), Rpc.PUBLISH_READONLY)).toBeUndefined();
  });

  it("is deleted once released, by the provisioner that made it, at its place", () => {
    expect(isToBeDeleted(released, owner)).toBe(true);
    expect(isToBeDeleted(made, owner)).toBe(false);
    expect(isToBeDeleted(released, { ...owner, driverName: "other" })).toBe(false);
    expect(isToBeDeleted(released, { ...owner, segments: { zone: "z" } })).toBe(true);
    expect(isToBeDeleted(released, { ...owner, segments: { zone: "y" } })).toBe(false);
    const { nodeAffinity: _affinity, ...anywhere } = released.spec;
    const shared = { ...released, spec: anywhere };
    expect(isToBeDeleted(shared, owner)).toBe(true);
    expect(isToBeDeleted(shared, { ...owner, segments: { zone: "z" } })).toBe(false);
    const hasClass = (name: string) => name === shared.spec.storageClassName;
    expect(isToBeDeleted(shared, { ...owner, hasClass })).toBe(true);
    expect(isToBeDeleted(shared, { ...owner, hasClass: () => false })).toBe(false);
    const by = (annotations: Record<string, string>) => {
      return { ...released, metadata: { ...released.metadata, annotations } };
    };
    expect(isToBeDeleted(by({}), owner)).toBe(true);
    expect(isToBeDeleted(by({ "pv.kubernetes.io/provisioned-by": "other" }), owner)).toBe(false);
    const kept = { ...released.spec, persistentVolumeReclaimPolicy: "Retain" as const };
    expect(isToBeDeleted({ ...released, spec: kept }, owner)).toBe(false);
  });

  it("has the provisioner's finalizer while its policy is Delete, which may change", () => {
    const bound = (policy: "Delete" | "Retain", finalizers: string[]): PersistentVolume => ({
      metadata: { ...made.metadata, finalizers },
      spec: { ...made.spec, persistentVolumeReclaimPolicy: policy },
      status: { phase: "Bound" },
    });
    const [own] = made.metadata.finalizers!;
    expect(changedFinalizers(bound("Delete", ["x", own!]), owner)).toBeUndefined();
    expect(changedFinalizers(bound("Retain", ["x", own!]), owner)).toEqual(["x"]);
    expect(changedFinalizers(bound("Delete", ["x"]), owner)).toEqual(["x", own]);
    expect(changedFinalizers(bound("Retain", ["x"]), owner)).toBeUndefined();
    const other = { ...owner, driverName: "other" };
    expect(changedFinalizers(bound("Retain", [own!]), other)).toBeUndefined();
    // The storage of one that is released, or whose object is going, may be gone already.
    const released = { ...bound("Delete", []), status: { phase: "Released" as const } };
    expect(changedFinalizers(released, owner)).toBeUndefined();
  });
});

describe("planResize", () => {
  const bound = (wanted: string, had: string): PersistentVolumeClaim => ({
    ...claim(undefined, { resources: { requests: { storage: wanted } } }),
    status: { phase: "Bound", capacity: { storage: had } },
  });
  const volume = persistentVolumeOf(claim(), storageClass(), DRIVER, {
    volumeId: "v1",
    capacityBytes: 2 ** 30,
    volumeContext: {},
    accessibleTopology: [{ segments: { zone: "z" } }],
  });
  const owner = { driverName: DRIVER, segments: { zone: "z" } };

  it("expands a bound claim of this driver and place that asks for more than it has", () => {
    expect(planResize(bound("2Gi", "1Gi"), volume, owner)).toEqual({
      act: "expand",
      size: "2Gi",
      volumeHandle: "v1",
      required_bytes: 2 ** 31,
      repeats: false,
    });
    const leave = { act: "leave" };
    const after = (state: ClaimResourceStatus, wanted: string, begun: string, refused = false) => {
      const made = bound(wanted, "1Gi");
      made.status!.allocatedResourceStatuses = { storage: state };
      made.status!.allocatedResources = { storage: begun };
      return planResize(made, volume, owner, refused);
    };
    const again = { size: "9Gi", repeats: true };
    expect(after("ControllerResizeInProgress", "2Gi", "9Gi")).toMatchObject(again);
    const less = { size: "2Gi", repeats: false };
    expect(after("ControllerResizeInProgress", "2Gi", "9Gi", true)).toMatchObject(less);
    expect(after("ControllerResizeInfeasible", "2Gi", "9Gi")).toMatchObject({ size: "2Gi" });
    expect(after("NodeResizeInfeasible", "2Gi", "9Gi")).toMatchObject(again);
    expect(after("NodeResizeInfeasible", "10Gi", "9Gi")).toMatchObject({ size: "10Gi" });
    const finish = { act: "finish", size: "1Gi" };
    expect(after("ControllerResizeInfeasible", "1Gi", "9Gi")).toEqual(finish);
    expect(after("NodeResizePending", "2Gi", "2Gi")).toEqual(leave);
    expect(planResize(bound("1Gi", "1Gi"), volume, owner)).toEqual(leave);
    expect(planResize(bound("1Gi", "2Gi"), volume, owner)).toEqual(leave);
    expect(planResize(bound("2Gi", "1Gi"), undefined, owner)).toEqual(leave);
    expect(planResize(bound("2Gi", "1Gi"), volume, { ...owner, driverName: "x" })).toEqual(leave);
    const elsewhere = { ...owner, segments: { zone: "y" } };
    expect(planResize(bound("2Gi", "1Gi"), volume, elsewhere)).toEqual(leave);
    const other = bound("2Gi", "1Gi");
    other.metadata.uid = "u2";
    expect(planResize(other, volume, owner)).toEqual(leave);
  });
});

describe("planModify", () => {
  const volume = persistentVolumeOf(claim(), storageClass(), DRIVER, {
    volumeId: "v1",
    capacityBytes: 2 ** 30,
    volumeContext: {},
    accessibleTopology: [],
  });
  const classOf = (name: string) => ({
    metadata: { name },
    driverName: DRIVER,
    parameters: { name },
  });
  const plan = (
    wanted: string | undefined,
    begun?: NonNullable<PersistentVolumeClaim["status"]>["modifyVolumeStatus"],
    refused = false,
  ) => {
    const named = wanted === undefined ? {} : { volumeAttributesClassName: wanted };
    const made = claim(undefined, named);
    const conditions = begun && [{ type: "ModifyingVolume", status: "True" as const }];
    const had = { currentVolumeAttributesClassName: "had" };
    made.status = {
      phase: "Bound",
      ...had,
      ...(begun && { modifyVolumeStatus: begun, conditions }),
    };
    const owner = { driverName: DRIVER, segments: undefined };
    return planModify(made, volume, classOf, { owner, refused });
  };
  const begun = (status: "InProgress" | "Infeasible") => ({
    targetVolumeAttributesClassName: "old",
    status,
  });

  it("gives the claim's class, unless the driver may still be giving another", () => {
    expect(plan("had")).toEqual({ act: "leave" });
    expect(plan("new")).toMatchObject({ target: "new", mutableParameters: { name: "new" } });
    expect(plan("new", begun("InProgress"))).toMatchObject({ target: "old" });
    expect(plan("new", begun("InProgress"), true)).toMatchObject({ target: "new" });
    expect(plan("new", begun("Infeasible"))).toMatchObject({ target: "new" });
  });

  it("ends an attempt whose class was taken back, once the driver is at rest", () => {
    expect(plan(undefined, begun("InProgress"))).toMatchObject({ target: "old" });
    expect(plan(undefined, begun("Infeasible"))).toEqual({ act: "cancel" });
    expect(plan(undefined)).toEqual({ act: "leave" });
  });
});
