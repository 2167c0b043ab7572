import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, StorageClass, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { expect, test } from "vitest";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { node, pod, snapshot } from "../testing/objects.ts";
import { failedCycle, preemptionAfter, victimsOf } from "../testing/preemption.ts";
import { nodeVolumeLimits } from "./node-volume-limits.ts";

const DRIVER = "ebs.csi.aws.com";

const store = <T extends KubeObject>(...objects: T[]): ReadStore<T> =>
  ({
    get: (key: string) => objects.find((each) => keyOf(each) === key),
    list: () => objects,
  }) as ReadStore<T>;

const disk = (name: string): PersistentVolume => ({
  metadata: { name },
  spec: { awsElasticBlockStore: { volumeID: `vol-${name}` } },
});
const claim = (name: string, spec: object): PersistentVolumeClaim => ({
  metadata: { namespace: "default", name },
  spec,
});
const attached = (source: VolumeAttachment["spec"]["source"]): VolumeAttachment => ({
  metadata: {},
  spec: { attacher: DRIVER, nodeName: "a", source },
});
const inTree: StorageClass = { metadata: { name: "ebs" }, provisioner: "kubernetes.io/aws-ebs" };
const limited: CSINode = {
  metadata: { name: "a" },
  spec: { drivers: [{ name: DRIVER, nodeID: "a", topologyKeys: [], allocatable: { count: 1 } }] },
};

/** The pods that end for one with these volumes, on a node that takes one of the driver. */
function victimsFor(
  volumes: NonNullable<Pod["spec"]["volumes"]>,
  { others = [], attachments = [], asked = () => {}, csiNode = limited }: Shape = {},
): string[] | undefined {
  const framework = frameworkOf(DEFAULT_PROFILE, [
    nodeVolumeLimits({
      claims: store(
        claim("first", { volumeName: "first" }),
        claim("second", { volumeName: "second" }),
        claim("unmade", { storageClassName: "ebs" }),
      ),
      volumes: counted(store(disk("first"), disk("second")), asked),
      classes: store(inTree),
      csiNodes: store(csiNode),
      attachments: store(...attachments),
    }),
  ]);
  const nodes = snapshot([[node("a"), others]]);
  const failed = failedCycle(framework, pod("wanted", { volumes, priority: 1 }), nodes);
  return failed ? victimsOf(preemptionAfter(failed)) : [];
}

/** Whether a pod with these volumes fits on a node that takes one volume of the driver. */
function fits(...input: Parameters<typeof victimsFor>): boolean {
  return victimsFor(...input)?.length === 0;
}

interface Shape {
  others?: Pod[];
  attachments?: VolumeAttachment[];
  csiNode?: CSINode;
  /** Called when a volume is looked up. */
  asked?(): void;
}

function counted<T>(found: ReadStore<T>, asked: () => void): ReadStore<T> {
  return { ...found, get: (key) => (asked(), found.get(key)) };
}

const ofClaim = (claimName: string) => ({ name: claimName, persistentVolumeClaim: { claimName } });
const inline = (id: string) => ({ name: id, awsElasticBlockStore: { volumeID: id } });

test("a volume that is attached to the node counts, also without a pod", () => {
  const attachments = [attached({ persistentVolumeName: "first" })];
  expect(fits([ofClaim("second")])).toBe(true);
  expect(fits([ofClaim("second")], { attachments })).toBe(false);
  expect(fits([ofClaim("first")], { attachments })).toBe(true);
});

test("one that is attached for a pod that names it itself counts too", () => {
  const inlineVolumeSpec = { csi: { driver: DRIVER, volumeHandle: "vol-x" } };
  const attachments = [attached({ inlineVolumeSpec })];
  expect(fits([ofClaim("second")], { attachments })).toBe(false);
  expect(fits([inline("vol-x")], { attachments })).toBe(true);
});

test("volumes of in-tree kinds are those of the driver that took them over", () => {
  const others = [pod("other", { volumes: [inline("vol-first")] })];
  expect(fits([ofClaim("second")], { others })).toBe(false);
  expect(fits([ofClaim("first")], { others })).toBe(true);
  expect(fits([ofClaim("unmade")], { others })).toBe(false);
  expect(fits([inline("vol-y")], { others })).toBe(false);
  expect(fits([ofClaim("unmade")])).toBe(true);
});

test("a victim's volumes leave with it, and are looked up once", () => {
  const using = (name: string, ...volumes: NonNullable<Pod["spec"]["volumes"]>) =>
    pod(name, { volumes });
  const others = [using("x", ofClaim("first")), using("y"), using("z", ofClaim("first"))];
  let asked = 0;
  const victims = victimsFor([ofClaim("second")], { others, asked: () => void asked++ });
  expect(victims?.toSorted()).toEqual(["x", "z"]);
  expect(asked).toBe(3);
  expect(victimsFor([ofClaim("first")], { others })).toEqual([]);
});

test("a node's limits are read once for all victims", () => {
  const others = ["x", "y", "z"].map((name) => pod(name, { volumes: [ofClaim("first")] }));
  let read = 0;
  const spec = {
    get drivers() {
      read++;
      return limited.spec.drivers;
    },
  };
  const csiNode = { ...limited, spec };
  expect(victimsFor([ofClaim("second")], { others, csiNode })).toHaveLength(3);
  expect(read).toBe(1);
});
