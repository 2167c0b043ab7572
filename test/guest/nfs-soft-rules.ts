import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { FilesBudget } from "@raft2kube/kubelet/volumes/files.ts";
import { nfsPlugin } from "@raft2kube/kubelet/volumes/nfs.ts";
import type { VolumeSpec } from "@raft2kube/kubelet/volumes/plugin.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import type { Volume } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { afterEach, expect, it } from "vitest";
import { type CsiFixture, refused, WRITER } from "../contract/csi/fixture.ts";
import type { NfsUnderTest } from "../contract/csi/nfs-rules.ts";
import type { GuestServer } from "./nfs-servers.ts";

/** A call fails after at most two seconds without a connection. */
const SOFT = ["soft", "timeo=10", "retrans=1", "nolock"];

/** Runs shell lines in a process of its own: a call into a mount may wait for its server. */
const shell = (lines: string) => promisify(execFile)("sh", ["-c", lines]);

/**
 * Soft mounts while their server is gone, its port closed. A server that is stopped but whose
 * connection lives is none of this with NFS 4: a client never sends a request twice on one
 * connection (RFC 8881, 2.10.6.2), so that Linux waits there without end, also with `soft`.
 */
export function softRules(
  csi: CsiFixture,
  driver: NfsUnderTest,
  { server, version }: { server: GuestServer; version: string },
): void {
  const away = awayIn(server);
  driverRule(csi, driver, { server, version, ...away });
  // NFS 3 by `mount.nfs` needs a daemon on the node.
  if (version !== "3") inTreeRule(csi, driver, { version, ...away });
}

interface Away {
  stop(): Promise<void>;
  restart(): Promise<void>;
}

/** Stops a server and starts it again, at the latest after the test. */
function awayIn(server: GuestServer): Away {
  let isStopped = false;
  const restart = async () => {
    await shell(server.restart);
    isStopped = false;
  };
  const stop = async () => {
    isStopped = true;
    await shell(server.stop);
  };
  afterEach(async () => {
    if (isStopped) await restart();
  });
  return { stop, restart };
}

const ioFails = (command: string) => expect(shell(command)).rejects.toThrow("Input/output error");

function driverRule(
  csi: CsiFixture,
  driver: NfsUnderTest,
  { server, version, stop, restart }: { server: GuestServer; version: string } & Away,
): void {
  const capabilityOf = (...more: string[]) => ({
    ...WRITER,
    mount: { mountFlags: [...SOFT, `nfsvers=${version}`, ...more] },
  });
  const create = (name: string, parameters: Record<string, string>, capability = capabilityOf()) =>
    csi.create({ name, parameters, volumeCapabilities: [capability] });
  const publish = (volume: Volume, target: string, capability = capabilityOf()) =>
    csi.node.nodePublishVolume(csi.publication(volume, target, capability));
  const stats = async ({ volumeId }: Volume, target: string) => {
    const asked = { volumeId, volumePath: csi.path(target) };
    return (await csi.node.nodeGetVolumeStats(asked)).volumeCondition;
  };

  it(`NFS ${version}: I/O fails, the driver serves, and a publish works afterwards`, async () => {
    const parameters = { ...driver.parameters };
    if (version === "3") parameters["share"] = path.join(server.share3!, path.basename(csi.dir));
    const volume = await create("v", parameters);
    const unpublished = await create("unpublished", parameters);
    const ofOther = capabilityOf(...(server.other ? [server.other.option] : []));
    const other =
      server.other &&
      (await create("other", { ...parameters, server: server.other.server }, ofOther));
    await publish(volume, "t");
    writeFileSync(csi.path("t/file"), "kept");
    await stop();
    const whileAway = [
      ioFails(`echo x > ${csi.path("t/new")}`),
      ioFails(`cat ${csi.path("t/file")}`),
      expect(stats(volume, "t")).resolves.toMatchObject({ abnormal: true }),
      expect(publish(unpublished, "u")).rejects.toEqual(refused(Status.UNAVAILABLE)),
      csi.identity.probe({}),
    ];
    if (other) {
      await publish(other, "o", ofOther);
      await shell(`echo x > ${csi.path("o/new")}`);
      expect(await stats(other, "o")).toMatchObject({ abnormal: false });
      await csi.unpublish(other, "o");
    }
    await Promise.all(whileAway);
    await csi.unpublish(volume, "t");
    expect(csi.mounts()).toEqual([]);
    expect(["t", "u"].filter((target) => existsSync(csi.path(target)))).toEqual([]);
    await restart();
    await publish(volume, "t");
    expect(readFileSync(csi.path("t/file"), "utf8")).toBe("kept");
    writeFileSync(csi.path("t/new"), "written");
    await csi.withdraw(volume, "t");
    for (const { volumeId } of [unpublished, ...(other ? [other] : [])]) {
      await csi.controller.deleteVolume({ volumeId });
    }
    expect(csi.mounts()).toEqual([]);
    expect(readdirSync(driver.exported(csi.dir))).toEqual([".r2k-csi"]);
    expect(readdirSync(path.join(driver.exported(csi.dir), ".r2k-csi/volumes"))).toEqual([]);
  });
}

function inTreeRule(
  csi: CsiFixture,
  driver: NfsUnderTest,
  { version, stop, restart }: { version: string } & Away,
): void {
  it("the kubelet's in-tree volumes: no call into them waits", async () => {
    const plugin = nfsPlugin({ mountTimeout_ms: 5_000 });
    const { server: host, share } = driver.parameters as { server: string; share: string };
    const nfs = { server: host, path: share };
    const persistentVolumeClaim = { claimName: "c" };
    const mountOptions = [...SOFT, `vers=${version}`];
    const claim = { pv: { metadata: { name: "pv" }, spec: { nfs, mountOptions } }, pvc: {} };
    const spec = { name: "v", volume: { name: "v", persistentVolumeClaim }, claim } as VolumeSpec;
    const pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [] } };
    const more = { fsGroup: undefined, readOnly: false, budget: new FilesBudget() };
    const [dir, second] = [csi.path("in-tree"), csi.path("second")];
    const setUp = (at: string) => plugin.setUp({ pod, spec, dir: at, ...more });
    const tearDown = (at: string) =>
      plugin.tearDown({ podUid: "u", volumeName: "v", dir: at, inside: undefined });
    await setUp(dir);
    mkdirSync(path.join(dir, "made"));
    await stop();
    await Promise.all([
      ioFails(`echo x > ${dir}/file`),
      expect(setUp(second)).rejects.toMatchObject({ code: "MountFailed" }),
      // It is mounted: a running pod's volume is not looked into.
      expect(setUp(dir)).resolves.toMatchObject({ hostPath: dir }),
    ]);
    for (const at of [dir, second]) await tearDown(at);
    expect([dir, second].filter((at) => existsSync(at))).toEqual([]);
    await restart();
    await setUp(dir);
    expect(readdirSync(dir)).toContain("made");
    await tearDown(dir);
    expect(isMountPoint(dir)).toBe(false);
  });
}
