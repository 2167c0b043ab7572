import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { unmount } from "@raft2kube/linux/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mountinfo.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  Controller,
  ControllerServiceCapability_RPC_Type as ControllerCapability,
  Identity,
  Node,
  VolumeCapability_AccessMode_Mode as Mode,
  type ControllerMethods,
  type CreateVolumeRequest,
  type IdentityMethods,
  type NodeMethods,
  type Volume,
  type VolumeCapability,
} from "@raft2kube/proto/gen/csi.ts";
import { client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** A driver under test: ours, or anyone's that answers on a Unix socket. */
export interface DriverUnderTest {
  /** Starts the driver with its data under `dir`; gives the path of its socket. */
  start(dir: string): Promise<{ socket: string; close(): Promise<void> }>;
}

const MIB = 1024 ** 2;

const capability = (mode: number, mountFlags: string[] = []): Init<VolumeCapability> => ({
  mount: { mountFlags },
  accessMode: { mode },
});
const WRITER = capability(Mode.SINGLE_NODE_WRITER);

/** Rules of the CSI specification 1.12, as a caller can observe them over the socket. */
export function csiContract(name: string, driver: DriverUnderTest): void {
  describe(`CSI driver contract: ${name}`, () => {
    let dir: string;
    let running: { socket: string; close(): Promise<void> };
    let identity: RpcClient<IdentityMethods>;
    let controller: RpcClient<ControllerMethods>;
    let node: RpcClient<NodeMethods>;
    let disconnect: () => void;

    async function start(): Promise<void> {
      running = await driver.start(dir);
      const channel = connectGrpc(`unix://${running.socket}`);
      identity = client(channel, Identity);
      controller = client(channel, Controller);
      node = client(channel, Node);
      disconnect = () => channel.close();
    }
    async function stop(): Promise<void> {
      disconnect();
      await running.close();
    }
    beforeEach(async () => {
      dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "r2k-csi-")));
      await start();
    });
    afterEach(async () => {
      await stop();
      for (const point of mountPointsBelow(dir)) unmount(point, { detach: true });
      await rm(dir, { recursive: true });
    });

    async function create(request: Init<CreateVolumeRequest> & { name: string }): Promise<Volume> {
      const { volume } = await controller.createVolume({
        volumeCapabilities: [WRITER],
        capacityRange: { requiredBytes: MIB },
        ...request,
      });
      return volume!;
    }
    const stagingOf = (volume: Volume) => path.join(dir, `staging-${volume.volumeId}`);
    async function stage(volume: Volume): Promise<string> {
      await mkdir(stagingOf(volume), { recursive: true });
      const { volumeId, volumeContext } = volume;
      await node.nodeStageVolume({
        volumeId,
        volumeContext,
        stagingTargetPath: stagingOf(volume),
        volumeCapability: WRITER,
      });
      return stagingOf(volume);
    }
    const publication = (volume: Volume, target: string) => ({
      volumeId: volume.volumeId,
      volumeContext: volume.volumeContext,
      stagingTargetPath: stagingOf(volume),
      targetPath: path.join(dir, target),
      volumeCapability: WRITER,
    });
    async function withdraw(volume: Volume, target: string): Promise<void> {
      const { volumeId } = volume;
      await node.nodeUnpublishVolume({ volumeId, targetPath: path.join(dir, target) });
      await node.nodeUnstageVolume({ volumeId, stagingTargetPath: stagingOf(volume) });
      await controller.deleteVolume({ volumeId });
    }
    const refused = (status: number) => expect.objectContaining({ status });

    describe("Identity", () => {
      it("GetPluginInfo: a name in domain form; Probe: ready", async () => {
        const info = await identity.getPluginInfo({});
        expect(info.name).toMatch(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/);
        expect((await identity.probe({})).ready?.value ?? true).toBe(true);
      });
    });

    describe("CreateVolume", () => {
      it("is idempotent by name, and refuses another size or source under it", async () => {
        const first = await create({ name: "one" });
        expect(first.capacityBytes).toBeGreaterThanOrEqual(MIB);
        expect((await create({ name: "one" })).volumeId).toBe(first.volumeId);
        const larger = create({ name: "one", capacityRange: { requiredBytes: 50 * 1024 * MIB } });
        await expect(larger).rejects.toEqual(refused(Status.ALREADY_EXISTS));
        const other = await create({ name: "other" });
        const cloned = create({
          name: "one",
          volumeContentSource: { volume: { volumeId: other.volumeId } },
        });
        await expect(cloned).rejects.toEqual(refused(Status.ALREADY_EXISTS));
      });

      it("gives one volume to two callers at once, or tells one to try again", async () => {
        const results = await Promise.allSettled([create({ name: "x" }), create({ name: "x" })]);
        const volumes = results.filter((result) => result.status === "fulfilled");
        for (const result of results) {
          if (result.status === "rejected") expect(result.reason).toEqual(refused(Status.ABORTED));
        }
        expect(new Set(volumes.map((result) => result.value.volumeId)).size).toBe(1);
      });

      it("refuses what is missing, too long, negative or impossible", async () => {
        const cases: [Init<CreateVolumeRequest> & { name: string }, number][] = [
          [{ name: "" }, Status.INVALID_ARGUMENT],
          [{ name: "x".repeat(129) }, Status.INVALID_ARGUMENT],
          [{ name: "a", volumeCapabilities: [] }, Status.INVALID_ARGUMENT],
          [{ name: "b", volumeCapabilities: [{ mount: {} }] }, Status.INVALID_ARGUMENT],
          [{ name: "c", capacityRange: { requiredBytes: -1 } }, Status.INVALID_ARGUMENT],
          [{ name: "d", capacityRange: { requiredBytes: 2, limitBytes: 1 } }, Status.OUT_OF_RANGE],
          [{ name: "e", volumeContentSource: {} }, Status.INVALID_ARGUMENT],
        ];
        for (const [request, status] of cases) {
          await expect(create(request), request.name).rejects.toEqual(refused(status));
        }
        expect((await controller.listVolumes({})).entries).toEqual([]);
      });
    });

    it("DeleteVolume succeeds for what was deleted or never was, hostile ids included", async () => {
      const { volumeId } = await create({ name: "gone" });
      await controller.deleteVolume({ volumeId });
      await controller.deleteVolume({ volumeId });
      for (const id of ["never", "../volumes", "/etc", "__proto__", "constructor"]) {
        await controller.deleteVolume({ volumeId: id });
        const got = controller.controllerGetVolume({ volumeId: id });
        await expect(got, id).rejects.toEqual(refused(Status.NOT_FOUND));
      }
    });

    it("ListVolumes pages without skipping or repeating while volumes come and go", async () => {
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) ids.push((await create({ name: `v${i}` })).volumeId);
      const first = await controller.listVolumes({ maxEntries: 2 });
      expect(first.entries).toHaveLength(2);
      const seen = first.entries.map((entry) => entry.volume!.volumeId);
      await controller.deleteVolume({ volumeId: seen[1]! });
      const rest = await controller.listVolumes({ startingToken: first.nextToken });
      expect(rest.nextToken).toBe("");
      expect([...seen, ...rest.entries.map((entry) => entry.volume!.volumeId)].sort()).toEqual(
        ids.sort(),
      );
      const invalid = controller.listVolumes({ startingToken: "nonsense" });
      await expect(invalid).rejects.toEqual(refused(Status.ABORTED));
    });

    it("ValidateVolumeCapabilities confirms what it can, explains what it cannot", async () => {
      const { volumeId } = await create({ name: "v" });
      const yes = await controller.validateVolumeCapabilities({
        volumeId,
        volumeCapabilities: [WRITER],
      });
      expect(yes.confirmed?.volumeCapabilities).toHaveLength(1);
      const no = await controller.validateVolumeCapabilities({
        volumeId,
        volumeCapabilities: [{ block: {}, accessMode: { mode: Mode.SINGLE_NODE_WRITER } }],
      });
      if (!no.confirmed) expect(no.message).not.toBe("");
      const unknown = controller.validateVolumeCapabilities({
        volumeId: "unknown",
        volumeCapabilities: [WRITER],
      });
      await expect(unknown).rejects.toEqual(refused(Status.NOT_FOUND));
    });

    it("ControllerExpandVolume grows, repeats, and never shrinks", async () => {
      const { volumeId } = await create({ name: "v" });
      const grow = (requiredBytes: number) =>
        controller.controllerExpandVolume({ volumeId, capacityRange: { requiredBytes } });
      expect((await grow(5 * MIB)).capacityBytes).toBeGreaterThanOrEqual(5 * MIB);
      expect((await grow(5 * MIB)).capacityBytes).toBeGreaterThanOrEqual(5 * MIB);
      expect((await grow(MIB)).capacityBytes).toBeGreaterThanOrEqual(5 * MIB);
    });

    describe("Node", () => {
      it("publishes data that outlives unpublish, unstage and the driver", async () => {
        const volume = await create({ name: "data" });
        await stage(volume);
        await stage(volume);
        await node.nodePublishVolume(publication(volume, "a"));
        await node.nodePublishVolume(publication(volume, "a"));
        await writeFile(path.join(dir, "a", "file"), "kept");
        const { volumeId } = volume;
        for (let i = 0; i < 2; i++) {
          await node.nodeUnpublishVolume({ volumeId, targetPath: path.join(dir, "a") });
          await node.nodeUnstageVolume({ volumeId, stagingTargetPath: stagingOf(volume) });
        }
        await expect(readFile(path.join(dir, "a", "file"))).rejects.toThrow("ENOENT");
        await stop();
        await start();
        await stage(volume);
        await node.nodePublishVolume(publication(volume, "b"));
        expect(await readFile(path.join(dir, "b", "file"), "utf8")).toBe("kept");
        await withdraw(volume, "b");
        expect(mountPointsBelow(dir)).toEqual([]);
      });

      it("publishes read-only, and refuses the same target in another way", async () => {
        const volume = await create({ name: "ro" });
        await stage(volume);
        await node.nodePublishVolume({ ...publication(volume, "ro"), readonly: true });
        await expect(writeFile(path.join(dir, "ro", "f"), "")).rejects.toThrow("EROFS");
        const writable = node.nodePublishVolume(publication(volume, "ro"));
        await expect(writable).rejects.toEqual(refused(Status.ALREADY_EXISTS));
        await withdraw(volume, "ro");
      });

      it("keeps serving a published volume across its own restart", async () => {
        const volume = await create({ name: "restart" });
        await stage(volume);
        await node.nodePublishVolume(publication(volume, "t"));
        await stop();
        await start();
        await writeFile(path.join(dir, "t", "file"), "still there");
        await node.nodePublishVolume(publication(volume, "t"));
        await withdraw(volume, "t");
        expect(mountPointsBelow(dir)).toEqual([]);
      });

      it("does not delete a volume in use, and keeps its data", async () => {
        const volume = await create({ name: "used" });
        await stage(volume);
        await node.nodePublishVolume(publication(volume, "t"));
        await writeFile(path.join(dir, "t", "file"), "precious");
        const { volumeId } = volume;
        const deleted = controller.deleteVolume({ volumeId });
        await expect(deleted).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
        expect(await readFile(path.join(dir, "t", "file"), "utf8")).toBe("precious");
        await withdraw(volume, "t");
      });

      it("refuses an unstaged volume, unknown ids, paths that are not plain", async () => {
        const volume = await create({ name: "v" });
        const cases: [Parameters<typeof node.nodePublishVolume>[0], number][] = [
          [publication(volume, "t"), Status.FAILED_PRECONDITION],
          [{ ...publication(volume, "t"), volumeId: "unknown" }, Status.NOT_FOUND],
          [{ ...publication(volume, "t"), volumeId: "" }, Status.INVALID_ARGUMENT],
          [{ ...publication(volume, "t"), targetPath: "" }, Status.INVALID_ARGUMENT],
          [{ ...publication(volume, "t"), targetPath: "t" }, Status.INVALID_ARGUMENT],
          [{ ...publication(volume, "t"), targetPath: "/a/../b" }, Status.INVALID_ARGUMENT],
          [{ ...publication(volume, "t"), volumeCapability: undefined }, Status.INVALID_ARGUMENT],
        ];
        for (const [request, status] of cases) {
          await expect(node.nodePublishVolume(request)).rejects.toEqual(refused(status));
        }
        expect(mountPointsBelow(dir)).toEqual([]);
      });

      it("SINGLE_NODE_SINGLE_WRITER: one target path only", async () => {
        const capabilities = await controller.controllerGetCapabilities({});
        const declared = capabilities.capabilities.some(
          ({ rpc }) => rpc?.type === ControllerCapability.SINGLE_NODE_MULTI_WRITER,
        );
        expect(declared).toBe(true);
        const volumeCapability = capability(Mode.SINGLE_NODE_SINGLE_WRITER);
        const volume = await create({ name: "rwop", volumeCapabilities: [volumeCapability] });
        await stage(volume);
        await node.nodePublishVolume({ ...publication(volume, "a"), volumeCapability });
        await node.nodePublishVolume({ ...publication(volume, "a"), volumeCapability });
        const second = node.nodePublishVolume({ ...publication(volume, "b"), volumeCapability });
        await expect(second).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
        await withdraw(volume, "a");
      });

      it("NodeGetVolumeStats: bytes and inodes of the published path", async () => {
        const volume = await create({ name: "stats" });
        await stage(volume);
        await node.nodePublishVolume(publication(volume, "t"));
        const volumePath = path.join(dir, "t");
        const { usage } = await node.nodeGetVolumeStats({ volumeId: volume.volumeId, volumePath });
        expect(usage.map(({ unit }) => unit).sort()).toEqual([1, 2]);
        for (const { total, used } of usage) expect(total).toBeGreaterThanOrEqual(used);
        await withdraw(volume, "t");
      });
    });

    it("restores a snapshot and clones a volume with their content at that time", async () => {
      const volume = await create({ name: "source" });
      await stage(volume);
      await node.nodePublishVolume(publication(volume, "t"));
      const file = path.join(dir, "t", "file");
      await writeFile(file, "before", { mode: 0o640 });
      const request = { sourceVolumeId: volume.volumeId, name: "snap" };
      const { snapshot } = await controller.createSnapshot(request);
      expect((await controller.createSnapshot(request)).snapshot).toEqual(snapshot);
      await writeFile(file, "after");
      const sources = [
        { snapshot: { snapshotId: snapshot!.snapshotId } },
        { volume: { volumeId: volume.volumeId } },
      ];
      const contents: string[] = [];
      for (const [i, volumeContentSource] of sources.entries()) {
        const copy = await create({ name: `copy${i}`, volumeContentSource });
        await stage(copy);
        await node.nodePublishVolume(publication(copy, `copy${i}`));
        contents.push(await readFile(path.join(dir, `copy${i}`, "file"), "utf8"));
        await withdraw(copy, `copy${i}`);
      }
      expect(contents).toEqual(["before", "after"]);
      await withdraw(volume, "t");
      const listed = await controller.listSnapshots({ snapshotId: snapshot!.snapshotId });
      expect(listed.entries).toHaveLength(1);
      await controller.deleteSnapshot({ snapshotId: snapshot!.snapshotId });
      await controller.deleteSnapshot({ snapshotId: snapshot!.snapshotId });
      const { entries } = await controller.listSnapshots({});
      expect(entries).toEqual([]);
    });
  });
}
