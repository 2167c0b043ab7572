import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import {
  CONTENT_TIMEOUT_MS,
  PROCESSES_PER_NAMESPACE_MAX,
  PROCESSES_PER_SERVER_MAX,
  TAR_MEMORY_KIB_MAX,
} from "@raft2kube/csi/drivers/nfs/limits.ts";
import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { exportedBy } from "../../../testing/nfs/exports.ts";
import { CsiFixture, refused } from "./fixture.ts";
import { type NfsUnderTest, nfsRules } from "./nfs-rules.ts";
import { csiContract } from "./suite.ts";

const driverBy = (clock: Clock): NfsUnderTest => ({
  parameters: { server: "nfs.test", share: "/data" },
  unknownId: `nfs.test#/data#${"0".repeat(32)}`,
  exported: (dir) => path.join(dir, "exports/nfs.test/data"),
  async start(dir) {
    process.env["R2K_EXPORTS"] = dir;
    mkdirSync(this.exported(dir), { recursive: true });
    const socket = path.join(dir, "csi.sock");
    const seam = {
      process: new URL("../../../testing/nfs/share-process.ts", import.meta.url),
      sourceOfMount: exportedBy,
    };
    const { close } = await startNfsDriver({ socket, nodeId: "node-1", seam, clock });
    return { socket, close };
  },
});
const driver = driverBy(systemClock());

csiContract("NFS, on directories in place of a server", driver);
nfsRules("on directories in place of a server", driver);

describe("NFS driver: calls that wait for a server", () => {
  const clock = new ManualClock();
  const csi = new CsiFixture(driverBy(clock));
  beforeEach(() => csi.open());
  afterEach(() => csi.close());

  /** Fills the places of one kind of call; none of them ends before its time limit. */
  async function fill(
    call: (place: number) => Promise<unknown>,
    places = PROCESSES_PER_SERVER_MAX,
  ) {
    const stopped = csi.path("stopped/nfs.test");
    mkdirSync(stopped, { recursive: true });
    const calls = Array.from({ length: places }, (_, place) => call(place));
    const settled = Promise.allSettled(calls);
    await expect.poll(() => readdirSync(stopped)).toHaveLength(places);
    rmSync(stopped, { recursive: true });
    return { settled };
  }
  let next = 0;
  const otherId = () => `nfs.test#/data#${String(next++).padStart(32, "0")}`;

  it("calls on content leave mounts and statistics of the same server alone", async () => {
    const volume = await csi.create({ name: "v" });
    await fill(() => csi.controller.deleteVolume({ volumeId: otherId() }));
    const deleted = csi.controller.deleteVolume({ volumeId: otherId() });
    await expect(deleted).rejects.toEqual(refused(Status.UNAVAILABLE));
    await csi.publish(volume, "t");
    const { volumeId } = volume;
    await csi.node.nodeGetVolumeStats({ volumeId, volumePath: csi.path("t") });
    await csi.unpublish(volume, "t");
    expect(csi.mounts()).toEqual([]);
  });

  it("copies of one namespace leave some to others, and removals alone", async () => {
    const copyFor = (namespace: string) =>
      csi.create({
        name: `copy-${next++}`,
        parameters: { ...driver.parameters, "csi.storage.k8s.io/pvc/namespace": namespace },
        volumeContentSource: { volume: { volumeId: otherId() } },
      });
    await fill(() => copyFor("ten"), PROCESSES_PER_NAMESPACE_MAX);
    await expect(copyFor("ten")).rejects.toEqual(refused(Status.UNAVAILABLE));
    await expect(copyFor("shop")).rejects.toEqual(refused(Status.NOT_FOUND));
    await fill(() => copyFor("shop"), PROCESSES_PER_SERVER_MAX - PROCESSES_PER_NAMESPACE_MAX);
    await expect(copyFor("third")).rejects.toEqual(refused(Status.UNAVAILABLE));
    expect(await csi.controller.deleteVolume({ volumeId: otherId() })).toEqual({});
  });

  it("snapshots of all namespaces leave places to clones", async () => {
    const snapshot = () => {
      return csi.controller.createSnapshot({ name: `s${next}`, sourceVolumeId: otherId() });
    };
    await fill(snapshot, PROCESSES_PER_NAMESPACE_MAX);
    await expect(snapshot()).rejects.toEqual(refused(Status.UNAVAILABLE));
    const volumeContentSource = { volume: { volumeId: otherId() } };
    const clone = csi.create({ name: "clone", volumeContentSource });
    await expect(clone).rejects.toEqual(refused(Status.NOT_FOUND));
  });

  it("removals that did not end in time leave the places of removals to others", async () => {
    const volumes = Array.from({ length: PROCESSES_PER_SERVER_MAX }, otherId);
    const snapshots = Array.from({ length: PROCESSES_PER_SERVER_MAX }, otherId);
    const removeVolume = (place: number) =>
      csi.controller.deleteVolume({ volumeId: volumes[place]! });
    const removeSnapshot = (place: number) =>
      csi.controller.deleteSnapshot({ snapshotId: snapshots[place]! });
    const removeOther = () => csi.controller.deleteVolume({ volumeId: otherId() });
    for (const remove of [removeVolume, removeSnapshot]) {
      const first = await fill(remove);
      clock.advance(CONTENT_TIMEOUT_MS);
      for (const result of await first.settled) {
        expect(result).toMatchObject({ reason: { status: Status.DEADLINE_EXCEEDED } });
      }
      await expect.poll(() => removeOther().catch(() => undefined)).toEqual({});
    }
    await fill(removeVolume);
    await expect(removeSnapshot(0)).rejects.toEqual(refused(Status.UNAVAILABLE));
    expect(await removeOther()).toEqual({});
    expect(await csi.controller.deleteSnapshot({ snapshotId: otherId() })).toEqual({});
    clock.advance(CONTENT_TIMEOUT_MS);
    await expect.poll(() => removeSnapshot(0).catch(() => undefined)).toEqual({});
  });

  it("calls that hang keep no pod from its end: unmounts have places of their own", async () => {
    const volume = await csi.create({ name: "v" });
    await csi.publish(volume, "t");
    await fill(() => csi.controller.controllerGetVolume({ volumeId: otherId() }));
    const got = csi.controller.controllerGetVolume({ volumeId: otherId() });
    await expect(got).rejects.toEqual(refused(Status.UNAVAILABLE));
    await csi.unpublish(volume, "t");
    expect(csi.mounts()).toEqual([]);
  });
});

/** More than tar reads from a pipe before it unpacks something. */
const FIRST_BYTES = 20_480;

describe("NFS driver: a hostile server, and a driver that is killed", () => {
  const csi = new CsiFixture(driver);
  beforeEach(() => csi.open());
  afterEach(async () => {
    vi.unstubAllEnvs();
    await csi.close();
  });
  const share = (name: string) => path.join(driver.exported(csi.dir), name);

  /** Makes the processes that the driver starts from now on run a script as tar. */
  function tarBy(script: string): void {
    mkdirSync(csi.path("bin"));
    writeFileSync(csi.path("bin/tar"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    vi.stubEnv("R2K_TAR", execFileSync("which", ["tar"], { encoding: "utf8" }).trim());
    vi.stubEnv("PATH", `${csi.path("bin")}:${process.env["PATH"]}`);
  }

  /** A volume's snapshot, and its archive in the share. */
  async function snapshotOf(volumeId: string): Promise<{ snapshotId: string; archive: string }> {
    const request = { sourceVolumeId: volumeId, name: "snap" };
    const { snapshotId } = (await csi.controller.createSnapshot(request)).snapshot!;
    return { snapshotId, archive: share(`.r2k-csi/snapshots/${snapshotId.split("#").at(-1)}.tar`) };
  }

  it("a directory that becomes a link while a snapshot is unpacked leads nowhere", async () => {
    execFileSync("mkfifo", [csi.path("pipe")]);
    const input = `case "$*" in *--extract*) exec "$R2K_TAR" "$@" < ${csi.path("pipe")} ;; esac`;
    tarBy(`${input}; exec "$R2K_TAR" "$@"`);
    const { volumeId } = await csi.create({ name: "v" });
    mkdirSync(share("v/a"));
    for (const name of ["1", "2"]) writeFileSync(share(`v/a/${name}`), Buffer.alloc(FIRST_BYTES));
    const { snapshotId, archive: file } = await snapshotOf(volumeId);
    mkdirSync(csi.path("victim"));
    const archive = readFileSync(file);
    const pipe = openSync(csi.path("pipe"), constants.O_RDWR);
    const copy = csi.create({ name: "copy", volumeContentSource: { snapshot: { snapshotId } } });
    copy.catch(() => undefined);
    writeSync(pipe, archive.subarray(0, FIRST_BYTES));
    const made = () => readdirSync(share(".r2k-csi/new"), { recursive: true, encoding: "utf8" });
    await expect.poll(() => made().find((name) => /a.[12]$/.test(name))).toBeDefined();
    const place = share(`.r2k-csi/new/${made()[0]}`);
    renameSync(`${place}/a`, `${place}/was`);
    symlinkSync(csi.path("victim"), `${place}/a`);
    writeSync(pipe, archive.subarray(FIRST_BYTES));
    closeSync(pipe);
    await expect(copy).rejects.toThrow("Too many levels of symbolic links");
    expect(readdirSync(csi.path("victim"))).toEqual([]);
  });

  it("an archive that is no regular file is not opened", async () => {
    const { volumeId } = await csi.create({ name: "v" });
    const { snapshotId, archive } = await snapshotOf(volumeId);
    // Of zeros alone: an empty archive.
    for (const [program, ...more] of [["mknod", "c", "1", "5"], ["mkfifo"]] as const) {
      rmSync(archive);
      execFileSync(program, [archive, ...more]);
      const copy = csi.create({ name: "copy", volumeContentSource: { snapshot: { snapshotId } } });
      await expect(copy, program).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
    }
  });

  it("a copy that was cut short by a kill is none, and the next attempt makes it whole", async () => {
    const hung = csi.path("hung");
    tarBy(
      `if mkdir ${hung}; then head -c 4096 "$R2K_TAR"; exec sleep 600; fi; exec "$R2K_TAR" "$@"`,
    );
    const { volumeId } = await csi.create({ name: "v" });
    writeFileSync(share("v/file"), Buffer.alloc(FIRST_BYTES, "x"));
    /** Kills the driver and its processes once tar was started, and starts it again. */
    const cutShort = async (call: Promise<unknown>) => {
      const failed = expect(call).rejects.toThrow();
      await expect.poll(() => existsSync(hung)).toBe(true);
      await csi.stop();
      await failed;
      await csi.start();
    };
    await cutShort(snapshotOf(volumeId));
    const snapshots = share(".r2k-csi/snapshots");
    expect(readdirSync(snapshots)).toEqual([expect.stringMatching(/^\..*\.tar\.new$/)]);
    const { snapshotId, archive } = await snapshotOf(volumeId);
    const key = path.basename(archive, ".tar");
    expect(readdirSync(snapshots).sort()).toEqual([`${key}.json`, `${key}.tar`]);

    rmSync(hung, { recursive: true });
    const restore = () =>
      csi.create({ name: "copy", volumeContentSource: { snapshot: { snapshotId } } });
    await cutShort(restore());
    expect(existsSync(share("copy"))).toBe(false);
    await restore();
    expect(readFileSync(share("copy/file"))).toEqual(readFileSync(share("v/file")));
    expect(readdirSync(share(".r2k-csi/new"))).toEqual([]);
  });

  it("no device of the share is opened, also not by tar", async () => {
    tarBy("cat null >&2; exit 2");
    const { volumeId } = await csi.create({ name: "v" });
    execFileSync("mknod", [share("v/null"), "c", "1", "3"]);
    await expect(snapshotOf(volumeId)).rejects.toThrow("null: Permission denied");
  });

  it("a full share is freed by a deletion, and attempts leave no file there", async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "none", share(".")]);
    try {
      const { volumeId } = await csi.create({ name: "full" });
      expect(() => writeFileSync(share("full/file"), Buffer.alloc(1 << 20))).toThrow("ENOSPC");
      await expect(csi.create({ name: "other" })).rejects.toThrow("ENOSPC");
      expect(readdirSync(share(".r2k-csi/volumes"))).toHaveLength(1);
      await csi.controller.deleteVolume({ volumeId });
      await csi.create({ name: "other" });
    } finally {
      execFileSync("umount", ["--lazy", share(".")]);
    }
  });

  it("tar has a bounded memory", async () => {
    tarBy(`ulimit -v > ${csi.path("limit")}; exec "$R2K_TAR" "$@"`);
    await snapshotOf((await csi.create({ name: "v" })).volumeId);
    expect(readFileSync(csi.path("limit"), "utf8").trim()).toBe(String(TAR_MEMORY_KIB_MAX));
  });
});
