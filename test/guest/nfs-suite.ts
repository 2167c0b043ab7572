import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { CsiFixture, refused, WRITER } from "../contract/csi/fixture.ts";
import { type NfsUnderTest, nfsRules } from "../contract/csi/nfs-rules.ts";
import { csiContract } from "../contract/csi/suite.ts";
import { UpstreamProcess } from "../contract/upstream-process.ts";
import { GUEST_WAIT_MS } from "./guest-wait.ts";
import { CLIENT, GANESHA, GANESHA_PID, NFSD } from "./nfs-servers.ts";
import { softRules } from "./nfs-soft-rules.ts";

// Run by vitest inside a guest with a server on 127.0.0.1; R2K_NFS names the server and the part.

const [name, part] = process.env["R2K_NFS"]!.split(" ") as ["ganesha" | "nfsd", string];
const server = name === "ganesha" ? GANESHA : NFSD;
const CSI_SANITY = path.join(import.meta.dirname, "../../.peers/bin/csi-sanity");

/** The command line of a driver, with DIR for the test's folder; ours if it is empty. */
const { R2K_NFS_DRIVER = "" } = process.env;

/** Each test has a directory of the export as its share. */
let directory = "";

const driver: NfsUnderTest = {
  foreign: R2K_NFS_DRIVER !== "",
  get parameters() {
    return { server: "127.0.0.1", share: path.join(server.share, directory) };
  },
  get unknownId() {
    return `127.0.0.1#${path.join(server.share, directory)}#${"0".repeat(32)}`;
  },
  exported: () => path.join(CLIENT, directory),
  async start(dir) {
    directory = path.basename(dir);
    mkdirSync(path.join(CLIENT, directory), { recursive: true });
    const socket = path.join(dir, "csi.sock");
    if (R2K_NFS_DRIVER !== "") return startForeign(dir, socket);
    const { close } = await startNfsDriver({ socket, nodeId: "node-1", clock: systemClock() });
    return { socket, close };
  },
};

async function startForeign(dir: string, socket: string) {
  const [program = "", ...args] = R2K_NFS_DRIVER.split(" ").map((word) =>
    word.replaceAll("DIR", dir),
  );
  rmSync(socket, { force: true });
  const running = new UpstreamProcess(program, path.join(dir, "log"), {}, { args });
  const patience = { clock: systemClock(), timeout_ms: GUEST_WAIT_MS };
  await waitFor("the driver", () => existsSync(socket), patience);
  return { socket, close: () => running.close() };
}

if (part === "contract") {
  csiContract(name, driver);
  describe("versions and options", versionRules);
  const version = name === "ganesha" ? "4.2" : "3";
  describe("soft mounts", () => softRules(opened(), driver, { server, version }));
  if (name === "ganesha") {
    nfsRules(name, driver);
    describe("a server that is away", awayRules);
  }
}
if (part === "foreign") csiContract("the named driver", driver);
if (part === "sanity") it("csi-sanity passes", sanity, 280_000);

function opened(): CsiFixture {
  const csi = new CsiFixture(driver);
  beforeEach(() => csi.open());
  afterEach(() => csi.close());
  return csi;
}

function versionRules(): void {
  const csi = opened();
  const versions = server.share3 === undefined ? ["4.1", "4.2"] : ["3", "4.0", "4.1", "4.2"];

  it.each(versions)("NFS %s", async (version) => {
    const share = version === "3" ? server.share3! : server.share;
    const parameters = { server: "127.0.0.1", share: path.join(share, directory) };
    const mountFlags = [`nfsvers=${version}`, "noatime,nosuid", "timeo=100", "nolock"];
    const volumeCapability = { ...WRITER, mount: { mountFlags } };
    const volumeCapabilities = [volumeCapability];
    const volume = await csi.create({ name: "v", parameters, volumeCapabilities });
    await csi.node.nodePublishVolume({ ...csi.publication(volume, "t"), volumeCapability });
    writeFileSync(csi.path("t/file"), "x");
    const mount = readMountInfo().find(({ mountPoint }) => mountPoint === csi.path("t"))!;
    expect(mount.superOptions).toContain(`vers=${version}`);
    expect(mount.superOptions).toContain("timeo=100");
    expect(mount.options).toEqual(expect.arrayContaining(["noatime", "nosuid"]));
    await csi.withdraw(volume, "t");
    expect(csi.mounts()).toEqual([]);
  });

  it("a share that the server does not have, and a server that is not there", async () => {
    const missing = { server: "127.0.0.1", share: path.join(server.share, "missing") };
    const created = csi.create({ name: "v", parameters: missing });
    await expect(created).rejects.toEqual(refused(Status.NOT_FOUND));
    const nobody = { server: "127.0.0.2", share: "/exp" };
    const mountFlags = ["port=1"];
    const volumeCapabilities = [{ ...WRITER, mount: { mountFlags } }];
    const refusedByHost = csi.create({ name: "v", parameters: nobody, volumeCapabilities });
    await expect(refusedByHost).rejects.toEqual(refused(Status.UNAVAILABLE));
  });
}

function awayRules(): void {
  const csi = opened();
  const signal = (name: NodeJS.Signals) =>
    process.kill(Number(readFileSync(GANESHA_PID, "utf8")), name);
  afterEach(() => signal("SIGCONT"));

  it("hangs neither driver nor unpublish, and the data is there when it returns", async () => {
    const volume = await csi.create({ name: "v" });
    const idle = await csi.create({ name: "idle" });
    await csi.publish(volume, "t");
    writeFileSync(csi.path("t/file"), "kept");
    signal("SIGSTOP");
    const { volumeId } = volume;
    const stats = await csi.node.nodeGetVolumeStats({ volumeId, volumePath: csi.path("t") });
    expect(stats.volumeCondition?.abnormal).toBe(true);
    const published = csi.node.nodePublishVolume(csi.publication(idle, "other"));
    await Promise.all([
      expect(published).rejects.toEqual(refused(Status.DEADLINE_EXCEEDED)),
      csi.unpublish(volume, "t"),
      csi.identity.probe({}),
    ]);
    expect(csi.mounts()).toEqual([]);
    signal("SIGCONT");
    await csi.publish(volume, "t");
    expect(readFileSync(csi.path("t/file"), "utf8")).toBe("kept");
    await csi.withdraw(volume, "t");
  });
}

async function sanity(): Promise<void> {
  const csi = new CsiFixture(driver);
  await csi.open();
  const parameters = csi.path("parameters.json");
  writeFileSync(parameters, JSON.stringify(driver.parameters));
  const args = [
    `-csi.endpoint=unix://${csi.path("csi.sock")}`,
    `-csi.mountdir=${csi.path("mount")}`,
    `-csi.stagingdir=${csi.path("staging")}`,
    `-csi.testvolumeparameters=${parameters}`,
    "--ginkgo.no-color",
  ];
  const { stdout } = await promisify(execFile)(CSI_SANITY, args).catch((thrown: object) => ({
    stdout: "",
    ...thrown,
  }));
  const found = stdout.matchAll(/(?:\d+ Passed \| \d+ Failed|\[FAIL\]).*/g);
  for (const [line] of found) process.stdout.write(`SANITY ${line}\n`);
  const [, passed, failed] = /(\d+) Passed \| (\d+) Failed/.exec(stdout) ?? [];
  // Those of another driver are recorded.
  if (R2K_NFS_DRIVER === "") expect(failed, stdout).toBe("0");
  expect(Number(passed)).toBeGreaterThan(0);
  expect(csi.mounts()).toEqual([]);
  await csi.close();
}
