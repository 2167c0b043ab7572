import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, StorageClass, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { schedulePod } from "../cycle.ts";
import { podInfo } from "../node-info.ts";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { node, pod, snapshot } from "../testing/objects.ts";
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

/** Whether a pod with these volumes fits on a node that takes one volume of the driver. */
function fits(
  volumes: NonNullable<Pod["spec"]["volumes"]>,
  { others = [], attachments = [] }: { others?: Pod[]; attachments?: VolumeAttachment[] } = {},
): boolean {
  const framework = frameworkOf(DEFAULT_PROFILE, [
    nodeVolumeLimits({
      claims: store(
        claim("first", { volumeName: "first" }),
        claim("second", { volumeName: "second" }),
        claim("unmade", { storageClassName: "ebs" }),
      ),
      volumes: store(disk("first"), disk("second")),
      classes: store(inTree),
      csiNodes: store(limited),
      attachments: store(...attachments),
    }),
  ]);
  const nodes = snapshot([[node("a"), others]]);
  const info = podInfo(pod("wanted", { volumes }));
  const random = seededRandom(1);
  return schedulePod({ info, snapshot: nodes, framework, random }).kind === "scheduled";
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
