import { mkdir } from "node:fs/promises";
import type { PersistentVolume, Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { CsiDrivers } from "../plugins/csi-drivers.ts";
import { NO_OBJECTS } from "../pods/pod-objects.ts";
import { resolveVolume } from "./claim.ts";
import { csiPlugin } from "./csi.ts";
import { csiObjects } from "./csi-objects.ts";
import { driverOf, planCsiMount } from "./csi-plan.ts";
import { PodVolumes } from "./pod-volumes.ts";
import { VolumesInUse } from "./volumes-in-use.ts";

const clock = systemClock();
let dir: string;
beforeEach(async () => {
  dir = testFolder("r2k-in-tree-");
});

const podWith = (volume: Volume): Pod => ({
  metadata: { namespace: "ns", name: "p", uid: "u" },
  spec: {
    containers: [{ name: "c", volumeMounts: [{ name: volume.name, mountPath: "/v" }] }],
    volumes: [volume],
  },
});
const share = { secretName: "s", shareName: "x", readOnly: true };

test("a volume of an in-tree kind that a pod names is mounted by its driver", async () => {
  const volume = { name: "v", azureFile: share };
  const spec = await resolveVolume(podWith(volume), volume, NO_OBJECTS);
  expect(driverOf(spec)).toBe("file.csi.azure.com");
  expect(planCsiMount(podWith(volume), spec, undefined, new Set(), undefined)).toMatchObject({
    lifecycle: "Persistent",
    volumeHandle: "#s#x#v#ns",
    readOnly: true,
    attaches: true,
    stageSecret: { namespace: "ns", name: "s" },
    volumeContext: { sharename: "x" },
  });
});

test("so is that of a claim", async () => {
  const volume = { name: "v", persistentVolumeClaim: { claimName: "c" } };
  const pv: PersistentVolume = {
    metadata: { name: "pv" },
    spec: { claimRef: { uid: "1" }, cinder: { volumeID: "disk" }, accessModes: ["ReadWriteOnce"] },
  };
  const objects = {
    ...NO_OBJECTS,
    claim: async () => ({
      metadata: { uid: "1" },
      spec: { volumeName: "pv" },
      status: { phase: "Bound" as const },
    }),
    persistentVolume: async () => pv,
  };
  const spec = await resolveVolume(podWith(volume), volume, objects);
  expect(spec.claim?.pv.spec.csi).toEqual({
    driver: "cinder.csi.openstack.org",
    volumeHandle: "disk",
  });
  expect(spec.claim?.pvc?.metadata.uid).toBe("1");
});

test.each<[string, Volume, string[]]>([
  [
    "whose driver is not there",
    { name: "v", gcePersistentDisk: { pdName: "d" } },
    ["gcePersistentDisk", "pd.csi.storage.gke.io"],
  ],
  [
    "that no driver serves",
    { name: "v", azureDisk: { diskName: "d", diskURI: "http://d", kind: "Dedicated" } },
    ["azureDisk", "Dedicated"],
  ],
  ["that is not translated", { name: "v", cephfs: { monitors: ["m"] } }, ["cephfs"]],
  ["that was removed", { name: "v", glusterfs: { endpoints: "e", path: "p" } }, ["glusterfs"]],
])("a volume %s is refused by its kind", async (_what, volume, names) => {
  const paths = { rootDir: dir, podLogsDir: dir, containerLogsDir: dir };
  const drivers = new CsiDrivers({ added: async () => {}, removed: async () => {} });
  const objects = csiObjects(undefined!, systemClock());
  const inUse = new VolumesInUse();
  const plugin = csiPlugin({ rootDir: dir, nodeName: "n", drivers, objects, inUse, clock });
  const volumes = new PodVolumes({ plugins: [plugin], paths, objects: NO_OBJECTS, clock });
  const asked = volumes.setUp(podWith(volume));
  for (const name of names) await expect(asked).rejects.toThrow(name);
});

test("a volume that its driver calls abnormal is an event about the pod", async () => {
  const recorded: string[] = [];
  const volume = { name: "v", emptyDir: {} };
  const events = {
    record: (_pod: Pod, type: string, reason: string, message: string) =>
      void recorded.push(`${type} ${reason} ${message}`),
  };
  const bytes = { capacity_bytes: 1, available_bytes: 1, used_bytes: 0 };
  const usage = { ...bytes, inodes: 1, inodesFree: 1, inodesUsed: 0 };
  let abnormal: { abnormal?: string } = { abnormal: "the disk is slow" };
  const plugin = {
    name: "example~disk",
    supports: () => true,
    setUp: async ({ dir: at }: { dir: string }) => {
      await mkdir(at, { recursive: true });
      return { kind: "filesystem" as const, hostPath: at, readOnly: false };
    },
    tearDown: async () => {},
    usage: async () => ({ ...usage, ...abnormal }),
  };
  const paths = { rootDir: dir, podLogsDir: dir, containerLogsDir: dir };
  const volumes = new PodVolumes({ plugins: [plugin], paths, objects: NO_OBJECTS, clock, events });
  await volumes.setUp(podWith(volume));
  await volumes.usage(podWith(volume), "v");
  await volumes.usages(podWith(volume));
  const event = "Warning VolumeConditionAbnormal Volume v: the disk is slow";
  expect(recorded).toEqual([event, event]);
  abnormal = {};
  await volumes.usage(podWith(volume), "v");
  expect(recorded).toHaveLength(2);
});
