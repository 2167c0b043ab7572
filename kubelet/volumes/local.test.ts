import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { type LoopDevice, openLoopDevice } from "@raft2kube/linux/mount/loop-device.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { FilesBudget } from "./files.ts";
import { localPlugin } from "./local.ts";

let root: string;
let path: string;
let events: string[];
let plugin: ReturnType<typeof localPlugin>;
beforeEach(() => {
  root = realpathSync(testFolder("r2k-local-"));
  path = join(root, "disk");
  mkdirSync(path);
  events = [];
  plugin = localPlugin({ record: (_pod, _type, reason, message) => events.push(reason, message) });
});

interface Use {
  fsGroup?: number;
  readOnly?: boolean;
  volumeMode?: "Block" | "Filesystem";
  at?: string;
}

function request(uid: string, { fsGroup, readOnly, volumeMode = "Filesystem", at = path }: Use) {
  const pv: PersistentVolume = {
    metadata: { name: "pv" },
    spec: { local: { path: at }, volumeMode },
  };
  const persistentVolumeClaim = { claimName: "c", ...(readOnly && { readOnly }) };
  const dir = join(root, "pods", uid, "volumes/kubernetes.io~local-volume/v");
  mkdirSync(join(dir, ".."), { recursive: true });
  return {
    pod: { metadata: { name: uid, uid }, spec: { containers: [] } },
    spec: {
      name: "v",
      volume: { name: "v", persistentVolumeClaim },
      claim: { pv, pvc: { metadata: {}, spec: {} } },
    },
    dir,
    fsGroup,
    readOnly: false,
    budget: new FilesBudget(),
  };
}

const use = (uid: string, how: Use = {}) => plugin.setUp(request(uid, how));
const leave = (uid: string) =>
  plugin.tearDown({ podUid: uid, volumeName: "v", dir: request(uid, {}).dir, inside: undefined });

test("is a directory, or a block device where its mode says so", async () => {
  expect(await use("a")).toMatchObject({ kind: "filesystem", hostPath: path });
  await expect(use("b", { volumeMode: "Block" })).rejects.toThrow("is not a block device");
  const device = blockDevice();
  expect(await use("c", { volumeMode: "Block", at: device })).toEqual({
    kind: "block",
    devicePath: device,
    readOnly: false,
  });
  writeFileSync(join(root, "file"), "");
  await expect(use("d", { at: join(root, "file") })).rejects.toThrow("is not a directory");
});

test("is read-only where its claim in the pod says so", async () => {
  for (const [at, volumeMode] of [
    [blockDevice(), "Block"],
    [path, "Filesystem"],
  ] as const) {
    expect(await use("a", { at, volumeMode, readOnly: true })).toMatchObject({ readOnly: true });
  }
});

describe.runIf(process.getuid?.() === 0)("a local volume of a device", () => {
  let device: LoopDevice;
  beforeEach(() => {
    const image = join(root, "image");
    writeFileSync(image, "");
    truncateSync(image, 16 << 20);
    device = openLoopDevice(image);
    return () => device[Symbol.dispose]();
  });
  const hostPath = async (uid: string, how: Use = {}) => {
    const ready = await use(uid, { at: device.path, ...how });
    return ready.kind === "filesystem" ? ready.hostPath : "";
  };

  test("is its file system, made if it has nothing, and mounted while a pod uses it", async () => {
    await expect(hostPath("reader", { readOnly: true })).rejects.toThrow("has no file system");
    const mounted = await hostPath("a", { fsGroup: 4321 });
    expect(statSync(mounted).gid).toBe(4321);
    writeFileSync(join(mounted, "file"), "kept");
    expect(await Promise.all([hostPath("a"), hostPath("b")])).toEqual([mounted, mounted]);
    await leave("a");
    expect(readFileSync(join(mounted, "file"), "utf8")).toBe("kept");
    await leave("b");
    expect(existsSync(mounted)).toBe(false);
    await hostPath("c");
    expect(readFileSync(join(mounted, "file"), "utf8")).toBe("kept");
    await leave("c");
  });

  test("is not formatted if it has anything", async () => {
    execFileSync("mkswap", [device.path], { stdio: "ignore" });
    await expect(hostPath("a")).rejects.toThrow(/^device \/dev\/loop\d+: mount: /);
    expect(execFileSync("blkid", ["-p", device.path]).toString()).toContain('TYPE="swap"');
  });
});

describe.runIf(process.getuid?.() === 0)("the fsGroup of a local volume", () => {
  beforeEach(() => {
    writeFileSync(join(path, "file"), "", { mode: 0o600 });
  });
  const owner = () => {
    const { gid, mode } = statSync(join(path, "file"));
    return [gid, (mode & 0o777).toString(8)];
  };

  test("owns its files, once for each pod", async () => {
    await use("a", { fsGroup: 4321 });
    expect(owner()).toEqual([4321, "660"]);
    expect(statSync(path)).toMatchObject({ gid: 4321, mode: 0o042775 });
    chmodSync(join(path, "file"), 0o600);
    await use("a", { fsGroup: 4321 });
    expect(owner()).toEqual([4321, "600"]);
  });

  test("is that of the first pod while it is there; another gets a warning", async () => {
    await use("a", { fsGroup: 4321 });
    await Promise.all([use("b", { fsGroup: 5432 }), use("same", { fsGroup: 4321 })]);
    expect(owner()[0]).toBe(4321);
    expect(events).toEqual([
      "AlreadyMountedVolume",
      "The requested fsGroup is 5432, but the " +
        "volume pv has GID 4321. The volume may not be shareable.",
    ]);
    for (const uid of ["a", "b", "same", "b"]) await leave(uid);
    await use("b", { fsGroup: 5432 });
    expect(owner()[0]).toBe(5432);
    expect(events).toHaveLength(2);
  });

  test("is not applied by a pod that only reads", async () => {
    await use("a", { fsGroup: 4321, readOnly: true });
    expect(owner()).toEqual([0, "600"]);
  });

  test("of two pods that come at once is one's, in whole", async () => {
    await Promise.all([use("a", { fsGroup: 4321 }), use("b", { fsGroup: 5432 })]);
    expect(owner()[0]).toBe(statSync(path).gid);
    expect(events).toHaveLength(2);
  });

  test("follows OnRootMismatch", async () => {
    await use("a", { fsGroup: 4321 });
    await leave("a");
    chmodSync(join(path, "file"), 0o600);
    const again = request("b", { fsGroup: 4321 });
    const securityContext = { fsGroupChangePolicy: "OnRootMismatch" as const };
    const pod = { ...again.pod, spec: { containers: [], securityContext } };
    await plugin.setUp({ ...again, pod });
    expect(owner()).toEqual([4321, "600"]);
  });
});

function blockDevice(): string {
  const found = execFileSync("find", ["/dev", "-maxdepth", "1", "-type", "b"]).toString();
  const [device] = found.split("\n");
  expect(device).toMatch(/^\/dev\//);
  return device!;
}
