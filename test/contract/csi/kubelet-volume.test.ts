import { mkdir, readdir, readFile, realpath, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import type {
  ClaimResourceStatus,
  PersistentVolume,
  Pod,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver } from "@raft2kube/api/gen/storage/v1.ts";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import type { Runtime } from "@raft2kube/kubelet/cri/runtime.ts";
import { measureStorage } from "@raft2kube/kubelet/eviction/measure-storage.ts";
import { CsiDrivers } from "@raft2kube/kubelet/plugins/csi-drivers.ts";
import { startPluginWatcher } from "@raft2kube/kubelet/plugins/plugin-watcher.ts";
import { csiPlugin } from "@raft2kube/kubelet/volumes/csi.ts";
import type { CsiObjects } from "@raft2kube/kubelet/volumes/csi-objects.ts";
import { FilesBudget } from "@raft2kube/kubelet/volumes/files.ts";
import type { VolumePlugin, VolumeSpec } from "@raft2kube/kubelet/volumes/plugin.ts";
import { VolumesInUse } from "@raft2kube/kubelet/volumes/volumes-in-use.ts";
import { detachLoopDevicesBelow, loopDevicesOf } from "@raft2kube/linux/mount/loop-device.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { Controller } from "@raft2kube/proto/gen/csi.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";

const DRIVER = "hostpath.csi.r2k.dev";
const clock = systemClock();

const csiDriver: CSIDriver = {
  metadata: { name: DRIVER },
  spec: {
    attachRequired: false,
    podInfoOnMount: true,
    fsGroupPolicy: "File",
    volumeLifecycleModes: ["Persistent", "Ephemeral"],
  },
};

/** The kubelet's CSI volumes over a real driver, found through a real registration socket. */
describe("kubelet CSI volumes on the hostPath driver", () => {
  let dir: string;
  let drivers: CsiDrivers;
  let driver: { close(): Promise<void> };
  let watcher: { close(): Promise<void> };
  let plugin: VolumePlugin;
  let object: CSIDriver | undefined;
  const inUse = new VolumesInUse();
  /** Statuses of claims, as they were patched. */
  let statuses: Record<string, unknown>[] = [];

  const objects: CsiObjects = {
    csiDriver: async () => object,
    secret: async ({ name }) => ({ name }),
    node: async () => undefined,
    attachment: async () => undefined,
    async patchClaimStatus(claim, status) {
      statuses.push(status);
      return { ...claim, status: { ...claim.status, ...status } };
    },
  };
  const startDriver = () =>
    startHostPathDriver({
      socket: path.join(dir, "csi.sock"),
      dataDir: path.join(dir, "data"),
      nodeId: "node-1",
      registrationDir: path.join(dir, "registry"),
      clock,
    });
  const newPlugin = () =>
    csiPlugin({ rootDir: dir, nodeName: "node-1", drivers, objects, inUse, clock });
  const registered = () => waitFor("registration", () => drivers.list().length === 1);

  beforeEach(async () => {
    dir = await realpath(testFolder("r2k-kubelet-csi-"));
    object = csiDriver;
    statuses = [];
    drivers = new CsiDrivers({ added: async () => {}, removed: async () => {} });
    const registryDir = path.join(dir, "registry");
    const handlers = { CSIPlugin: drivers };
    watcher = await startPluginWatcher({ registryDir, handlers, clock });
    driver = await startDriver();
    await registered();
    plugin = newPlugin();
  });
  afterEach(async () => {
    await watcher.close();
    drivers.close();
    await driver.close();
    for (const point of mountPointsBelow(dir)) unmount(point, { detach: true });
    detachLoopDevicesBelow(dir);
  });

  const pod = (uid: string): Pod => ({
    metadata: { name: uid, namespace: "default", uid },
    spec: { containers: [] },
  });
  const volumeDir = async (uid: string) => {
    const parent = path.join(dir, "pods", uid, "volumes", plugin.name);
    await mkdir(parent, { recursive: true });
    return path.join(parent, "data");
  };
  async function makeVolume(access: "mount" | "block" = "mount"): Promise<VolumeSpec> {
    const channel = connectGrpc(`unix://${path.join(dir, "csi.sock")}`);
    const { volume } = await client(channel, Controller).createVolume({
      name: "pvc-1",
      capacityRange: { requiredBytes: 1 << 20 },
      volumeCapabilities: [{ [access]: {}, accessMode: { mode: 1 } }],
    });
    channel.close();
    return claimed(volume!.volumeId, {}, access === "block" ? "Block" : "Filesystem");
  }
  function claimed(
    volumeHandle: string,
    source: Partial<Volume> = {},
    volumeMode: "Block" | "Filesystem" = "Filesystem",
  ): VolumeSpec {
    const csi = { driver: DRIVER, volumeHandle };
    const pv: PersistentVolume = {
      metadata: { name: "pvc-1" },
      spec: { accessModes: ["ReadWriteOnce"], volumeMode, csi },
    };
    const pvc = { metadata: { name: "data" }, spec: {} };
    const volume = { name: "data", persistentVolumeClaim: { claimName: "data" }, ...source };
    return { name: "data", volume, claim: { pvc, pv } };
  }
  const setUp = async (uid: string, spec: VolumeSpec, fsGroup?: number) => {
    const how = { fsGroup, readOnly: false, budget: new FilesBudget() };
    return plugin.setUp({ pod: pod(uid), spec, dir: await volumeDir(uid), ...how });
  };
  const tearDown = async (uid: string) =>
    plugin.tearDown({
      podUid: uid,
      volumeName: "data",
      dir: await volumeDir(uid),
      inside: undefined,
    });
  const contentOf = (uid: string) =>
    readFile(path.join(dir, "pods", uid, "volumes", plugin.name, "data/mount/file"), "utf8");

  it("shares one staged volume between pods, and unstages it after the last", async () => {
    const spec = await makeVolume();
    const ready = await setUp("a", spec);
    const target = path.join(await volumeDir("a"), "mount");
    expect(ready).toEqual({ kind: "filesystem", hostPath: target, readOnly: false });
    await writeFile(path.join(target, "file"), "shared");
    await setUp("b", spec);
    expect(await contentOf("b")).toBe("shared");
    const staged = () => mountPointsBelow(path.join(dir, "plugins")).length;
    await tearDown("a");
    expect(staged()).toBe(1);
    expect(await contentOf("b")).toBe("shared");
    await tearDown("b");
    expect(staged()).toBe(0);
    expect(mountPointsBelow(dir)).toEqual([]);
    expect(await readdir(path.join(dir, "pods/a/volumes", plugin.name))).toEqual([]);
    await setUp("c", spec);
    expect(await contentOf("c")).toBe("shared");
    await tearDown("c");
  });

  it("gives pods a block device, also after restarts, and detaches it after the last", async () => {
    const spec = await makeVolume("block");
    const content = path.join(dir, "data", "volumes", spec.claim!.pv.spec.csi!.volumeHandle);
    const device = path.join(await volumeDir("a"), "device");
    expect(await setUp("a", spec)).toEqual({ kind: "block", devicePath: device, readOnly: false });
    expect((await stat(device)).isBlockDevice()).toBe(true);
    await setUp("b", spec);
    plugin = newPlugin();
    await setUp("a", spec);
    await tearDown("b");
    expect(loopDevicesOf(content)).toHaveLength(1);
    await tearDown("a");
    expect(loopDevicesOf(content)).toEqual([]);
    expect(await readdir(path.join(dir, "pods/a/volumes", plugin.name))).toEqual([]);
    expect(mountPointsBelow(dir)).toEqual([]);
  });

  it("grows a mounted volume on the node when its claim waits, and reports it", async () => {
    const spec = await makeVolume();
    await setUp("a", spec);
    const { pvc, pv } = spec.claim!;
    const growing = (capacity: string, state: ClaimResourceStatus): VolumeSpec => ({
      ...spec,
      claim: {
        pv: { ...pv, spec: { ...pv.spec, capacity: { storage: capacity } } },
        pvc: {
          ...pvc!,
          status: {
            capacity: { storage: "1Mi" },
            conditions: [{ type: "FileSystemResizePending", status: "True" }],
            allocatedResourceStatuses: { storage: state },
          },
        },
      },
    });
    await setUp("a", growing("2Mi", "NodeResizePending"));
    expect(statuses).toMatchObject([
      { allocatedResourceStatuses: { storage: "NodeResizeInProgress" } },
      { capacity: { storage: "2Mi" }, allocatedResourceStatuses: null, conditions: [] },
    ]);
    statuses = [];
    await setUp("a", growing("2Mi", "ControllerResizeInProgress"));
    await setUp("a", growing("1Mi", "NodeResizePending"));
    expect(statuses).toEqual([]);
    await setUp("b", growing("4Ti", "NodeResizeInProgress"));
    expect(statuses.at(-1)).toMatchObject({
      allocatedResourceStatuses: { storage: "NodeResizeInfeasible" },
      conditions: [{ type: "FileSystemResizePending" }, { type: "NodeResizeError" }],
    });
    await tearDown("a");
    await tearDown("b");
  });

  it("asks the driver what a volume holds and has room for, once it is set up", async () => {
    const spec = await makeVolume();
    const request = { dir: await volumeDir("a"), measured: undefined };
    expect(await plugin.usage?.(request)).toBeUndefined();
    await setUp("a", spec);
    const usage = await plugin.usage?.(request);
    const { capacity_bytes = 0, available_bytes = 0, used_bytes = 0 } = usage ?? {};
    expect(capacity_bytes).toBeGreaterThanOrEqual(available_bytes + used_bytes);
    expect(used_bytes).toBeGreaterThan(0);
    const { inodes = 0, inodesFree = 0, inodesUsed = 0 } = usage ?? {};
    expect([inodes - inodesFree, inodes > 0]).toEqual([inodesUsed, true]);
    await tearDown("a");
    expect(await plugin.usage?.(request)).toBeUndefined();
  });

  it("survives restarts of kubelet and driver, and tears down from the disk alone", async () => {
    const spec = await makeVolume();
    await setUp("a", spec);
    await driver.close();
    await waitFor("deregistration", () => drivers.list().length === 0);
    plugin = newPlugin();
    await setUp("a", spec);
    await expect(tearDown("a")).rejects.toMatchObject({ code: "NotFound" });
    driver = await startDriver();
    await registered();
    await tearDown("a");
    await tearDown("a");
    expect(mountPointsBelow(dir)).toEqual([]);
  });

  it("gives the files to fsGroup, and mounts read-only what is asked so", async () => {
    const spec = await makeVolume();
    await setUp("a", spec, 4242);
    const target = path.join(await volumeDir("a"), "mount");
    expect(await stat(target)).toMatchObject({ gid: 4242, mode: 0o42777 });
    const reading = { persistentVolumeClaim: { claimName: "data", readOnly: true } };
    const handle = spec.claim!.pv.spec.csi!.volumeHandle;
    expect(await setUp("b", claimed(handle, reading))).toMatchObject({ readOnly: true });
    const file = path.join(await volumeDir("b"), "mount", "f");
    await expect(writeFile(file, "")).rejects.toThrow("EROFS");
    const usageOf = async (uid: string) =>
      plugin.usage?.({ dir: await volumeDir(uid), measured: undefined });
    expect(await usageOf("a")).toMatchObject({ readOnly: false });
    expect(await usageOf("b")).toMatchObject({ readOnly: true });
    await tearDown("a");
    await tearDown("b");
    expect(mountPointsBelow(dir)).toEqual([]);
  });

  it("makes an inline volume for its pod alone, gone with it", async () => {
    const spec: VolumeSpec = { name: "data", volume: { name: "data", csi: { driver: DRIVER } } };
    await setUp("a", spec);
    const target = path.join(await volumeDir("a"), "mount");
    await writeFile(path.join(target, "file"), "mine");
    expect(await readdir(path.join(dir, "data", "volumes"))).toHaveLength(1);
    const used_bytes = async () => {
      const paths = { rootDir: dir, podLogsDir: dir, containerLogsDir: undefined };
      const { metadata } = pod("a");
      const volumes = [spec.volume, { name: "none", csi: { driver: DRIVER } }];
      const runtime = { runtime: { listContainerStats: async () => ({ stats: [] }) } };
      const found = await measureStorage(
        { metadata, spec: { containers: [], volumes } },
        { runtime: runtime as unknown as Runtime, paths, cgroups: { processes: () => [] } },
      );
      expect([...found.volumes.keys()]).toEqual(["data"]);
      return found.volumes.get("data")!.used_bytes;
    };
    const before = await used_bytes();
    await writeFile(path.join(target, "more"), Buffer.alloc(2 << 20, "x"), { flush: true });
    expect((await used_bytes()) - before).toBeGreaterThanOrEqual(2 << 20);
    await tearDown("a");
    expect(await readdir(path.join(dir, "data", "volumes"))).toEqual([]);
    expect(mountPointsBelow(dir)).toEqual([]);
  });

  it("keeps the driver's message, and names what it cannot do", async () => {
    await expect(setUp("a", claimed("unknown"))).rejects.toMatchObject({
      code: "MountFailed",
      message: "rpc error: code = NotFound desc = volume unknown does not exist",
    });
    await tearDown("a");
    object = { ...csiDriver, spec: { ...csiDriver.spec, volumeLifecycleModes: ["Persistent"] } };
    const inline: VolumeSpec = { name: "v", volume: { name: "v", csi: { driver: DRIVER } } };
    await expect(setUp("c", inline)).rejects.toMatchObject({ code: "NotSupported" });
    const missing: VolumeSpec = { name: "v", volume: { name: "v", csi: { driver: "other" } } };
    await expect(setUp("d", missing)).rejects.toMatchObject({
      code: "NotFound",
      message: "driver name other not found in the list of registered CSI drivers",
    });
  });
});
