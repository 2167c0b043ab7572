import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import { attachmentName, uniqueVolumeName } from "@raft2kube/client-kube/object/attachments.ts";
import { NodeServiceCapability_RPC_Type as Capability } from "@raft2kube/proto/gen/csi.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import type { CsiDrivers } from "../plugins/csi-drivers.ts";
import { type CsiPluginOptions, csiPlugin } from "./csi.ts";
import { readVolumeData } from "./csi-volume-data.ts";
import { FilesBudget } from "./files.ts";
import type { VolumeSpec } from "./plugin.ts";
import { VolumesInUse } from "./volumes-in-use.ts";

const run = promisify(execFile);
const DRIVER = "disk.example.com";
const UNIQUE = uniqueVolumeName(DRIVER, "h");

let dir: string;
let inUse: VolumesInUse;
let calls: [string, Record<string, unknown>][];
let listed: boolean;
let attached: VolumeAttachment["status"];
let waited_ms: number;

beforeEach(async () => {
  dir = testFolder("r2k-csi-attach-");
  inUse = new VolumesInUse();
  calls = [];
  listed = true;
  attached = { attached: true, attachmentMetadata: { device: "/dev/x" } };
  waited_ms = 0;
});

/** A clock on which waits pass immediately. */
const clock: Clock = {
  ...systemClock(),
  monotonic: () => waited_ms,
  after(delay_ms, act) {
    waited_ms += delay_ms;
    return systemClock().after(0, act);
  },
};

const drivers = {
  require: () => ({
    name: DRIVER,
    capabilities: new Set([Capability.STAGE_UNSTAGE_VOLUME]),
    node: Object.fromEntries(
      ["Stage", "Publish", "Unpublish", "Unstage"].map((call) => [
        `node${call}Volume`,
        async (request: Record<string, unknown>) => {
          calls.push([call, request]);
          return {};
        },
      ]),
    ),
  }),
} as unknown as CsiDrivers;

const objects: CsiPluginOptions["objects"] = {
  csiDriver: async () => undefined,
  patchClaimStatus: async (claim) => claim,
  secret: async () => ({}),
  async attachment(name) {
    if (name !== attachmentName(DRIVER, "h", "n1") || !attached) return undefined;
    const source = { persistentVolumeName: "pv" };
    const spec = { attacher: DRIVER, nodeName: "n1", source };
    return { metadata: { name }, status: attached, spec };
  },
  async node(): Promise<Node> {
    const volumesAttached = listed ? [{ name: UNIQUE, devicePath: "" }] : [];
    return { metadata: { name: "n1" }, spec: {}, status: { volumesAttached } };
  },
};

const pv = {
  metadata: { name: "pv" },
  spec: { accessModes: ["ReadWriteOnce" as const], csi: { driver: DRIVER, volumeHandle: "h" } },
};
const spec: VolumeSpec = {
  name: "data",
  volume: { name: "data", persistentVolumeClaim: { claimName: "data" } },
  claim: { pvc: { metadata: { name: "data" }, spec: {} }, pv },
};

const plugin = (more: Partial<CsiPluginOptions> = {}) =>
  csiPlugin({ rootDir: dir, nodeName: "n1", drivers, objects, inUse, clock, ...more });
const volumeDir = (uid: string) => path.join(dir, "pods", uid, "volumes/kubernetes.io~csi/data");

async function setUp(uid: string, more: Partial<CsiPluginOptions> = {}) {
  await mkdir(path.dirname(volumeDir(uid)), { recursive: true });
  const pod = { metadata: { name: uid, namespace: "default", uid }, spec: { containers: [] } };
  const how = { fsGroup: undefined, readOnly: false, budget: new FilesBudget() };
  return plugin(more).setUp({ pod, spec, dir: volumeDir(uid), ...how });
}
const tearDown = (uid: string) =>
  plugin().tearDown({ podUid: uid, volumeName: "data", dir: volumeDir(uid), inside: undefined });
const report = () => inUse.shown(inUse.list());

test("a volume is mounted after it was reported in use, with the context of its attaching", async () => {
  inUse.onChange(report);
  await setUp("a");
  const publishContext = { device: "/dev/x" };
  expect(calls.map(([call]) => call)).toEqual(["Stage", "Publish"]);
  for (const [, request] of calls) expect(request).toMatchObject({ publishContext });
  expect(inUse.list()).toEqual([UNIQUE]);
  const data = await readVolumeData(volumeDir("a"));
  expect(data?.attachmentID).toBe(attachmentName(DRIVER, "h", "n1"));
});

test.each([
  [undefined, "volumeContext"],
  [true, "secrets"],
])("a driver gets the tokens it requests when a pod has its volume", async (inSecrets, where) => {
  inUse.onChange(report);
  const spec = {
    tokenRequests: [{ audience: "vault" }, { audience: "", expirationSeconds: 700 }],
    ...(inSecrets && { serviceAccountTokenInSecrets: inSecrets }),
  };
  const csiDriver = async () => ({ metadata: { name: DRIVER }, spec });
  await setUp("a", {
    objects: { ...objects, csiDriver },
    token: async ({ metadata }, { audiences, expirationSeconds }) => ({
      token: `${metadata.name} ${audiences.join()} ${expirationSeconds}`,
      expires_ms: 0,
    }),
  });
  const expirationTimestamp = "1970-01-01T00:00:00Z";
  const tokens = {
    vault: { token: "a vault 3600", expirationTimestamp },
    "": { token: "a  700", expirationTimestamp },
  };
  const [staged, published] = calls.map(([, request]) => request);
  expect(published?.[where]).toMatchObject({
    "csi.storage.k8s.io/serviceAccount.tokens": JSON.stringify(tokens),
  });
  expect(JSON.stringify(staged)).not.toContain("tokens");
  await expect(setUp("b", { objects: { ...objects, csiDriver } })).rejects.toThrow("token");
});

test.each([
  ["not reported in use", () => inUse.onChange(() => {}), "VolumesInUse"],
  ["not attached", () => (attached = undefined), "no attachment yet"],
  [
    "not attached for a reason",
    () => (attached = { attached: false, attachError: { message: "no disk" } }),
    "no disk",
  ],
  ["attached, not listed", () => (listed = false), "according to the node's status"],
])("a volume that is %s is not mounted", async (_what, prepare, message) => {
  inUse.onChange(report);
  prepare();
  await expect(setUp("a")).rejects.toThrow(message);
  expect(calls).toEqual([]);
  // It may be mounted by the next attempt, also of another kubelet.
  expect((await VolumesInUse.find(dir)).list()).toEqual([UNIQUE]);
});

test("a volume is mounted as soon as the node's status lists it", async () => {
  inUse.onChange(report);
  listed = false;
  let looked = () => {};
  const first = new Promise<void>((resolve) => {
    looked = resolve;
  });
  const node: typeof objects.node = (name) => {
    looked();
    return objects.node(name);
  };
  // Its time stands still: nothing is looked at again without news.
  const mounted = setUp("a", { clock: new ManualClock(), objects: { ...objects, node } });
  await first;
  listed = true;
  inUse.sawAttached([{ name: UNIQUE }]);
  await mounted;
  expect(calls.map(([call]) => call)).toEqual(["Stage", "Publish"]);
});

test("news of a volume wake those that wait for this one alone", () => {
  for (const volume of ["a", "b", "c"]) inUse.use(volume);
  const woken = (act: () => void) => {
    const waits = ["a", "b", "c"].map((volume) => [volume, inUse.news(volume)] as const);
    act();
    return waits.flatMap(([volume, { aborted }]) => (aborted ? [volume] : []));
  };
  expect(woken(() => inUse.shown(["a"]))).toEqual(["a"]);
  expect(woken(() => inUse.shown(["a", "b"]))).toEqual(["b"]);
  expect(woken(() => inUse.sawAttached([{ name: "b" }]))).toEqual(["b"]);
  expect(woken(() => inUse.sawAttached([{ name: "a" }, { name: "b" }]))).toEqual(["a"]);
  expect(woken(() => inUse.sawAttached([{ name: "b" }]))).toEqual([]);
  expect(woken(() => inUse.sawAttached([{ name: "a" }]))).toEqual(["a"]);
  expect(woken(() => inUse.release("c"))).toEqual(["c"]);
});

test("a volume is in use until the last pod's is unstaged", async () => {
  inUse.onChange(report);
  await setUp("a");
  await setUp("b");
  await tearDown("a");
  expect(inUse.list()).toEqual([UNIQUE]);
  await tearDown("b");
  expect(calls.at(-1)?.[0]).toBe("Unstage");
  expect(inUse.list()).toEqual([]);
  expect((await VolumesInUse.find(dir)).list()).toEqual([]);
});

test("an unstaged volume is not in use although its directory cannot be removed", async () => {
  inUse.onChange(report);
  await setUp("a");
  await writeFile(path.join(volumeDir("a"), "stray"), "");
  await expect(tearDown("a")).rejects.toThrow("ENOTEMPTY");
  expect(calls.at(-1)?.[0]).toBe("Unstage");
  expect(inUse.list()).toEqual([]);
});

test("a damaged record does not hide other volumes in use", async () => {
  inUse.onChange(report);
  await setUp("b");
  await mkdir(volumeDir("a"), { recursive: true });
  await writeFile(path.join(volumeDir("a"), "vol_data.json"), "{");
  expect((await VolumesInUse.find(dir)).list()).toEqual([UNIQUE]);
});

test("a report from before a volume was released does not count for its next use", () => {
  inUse.use("v");
  const early = inUse.list();
  inUse.release("v");
  inUse.shown(early);
  inUse.use("v");
  expect(inUse.isShown("v")).toBe(false);
  inUse.shown(inUse.list());
  expect(inUse.isShown("v")).toBe(true);
});

test("a volume of one pod is another's only after the first has left it", async () => {
  inUse.onChange(report);
  const shared = pv.spec.accessModes;
  Object.assign(pv.spec, { accessModes: ["ReadWriteOncePod"] });
  try {
    await setUp("a");
    await expect(setUp("b")).rejects.toThrow("already in use by another pod");
    expect(calls.map(([call]) => call)).toEqual(["Stage", "Publish"]);
    await tearDown("b");
    await setUp("a");
    await tearDown("a");
    calls = [];
    await setUp("b");
    expect(calls.map(([call]) => call)).toEqual(["Stage", "Publish"]);
  } finally {
    Object.assign(pv.spec, { accessModes: shared });
  }
});

test("a volume with a damaged record may be each of the volumes while it is mounted", async () => {
  inUse.onChange(report);
  await setUp("a");
  await mkdir(path.join(volumeDir("b"), "mount"), { recursive: true });
  await writeFile(path.join(volumeDir("b"), "vol_data.json"), "{");
  const mounted = path.join(volumeDir("b"), "mount");
  await run("mount", ["-t", "tmpfs", "none", mounted]);
  try {
    await tearDown("a");
    expect(calls.map(([call]) => call)).toEqual(["Stage", "Publish", "Unpublish"]);
    expect(inUse.list()).toEqual([UNIQUE]);
    const shared = pv.spec.accessModes;
    Object.assign(pv.spec, { accessModes: ["ReadWriteOncePod"] });
    await expect(setUp("a")).rejects.toThrow("already in use by another pod");
    Object.assign(pv.spec, { accessModes: shared });
  } finally {
    await run("umount", [mounted]);
  }
});

test("data of a pod that is damaged does not keep another's volume mounted", async () => {
  inUse.onChange(report);
  await setUp("a");
  await setUp("b");
  await rm(path.join(volumeDir("b"), "vol_data.json"));
  await run("mkfifo", [path.join(volumeDir("b"), "vol_data.json")]); // waited for without end
  await tearDown("a");
  expect(await readVolumeData(volumeDir("a"))).toBeUndefined();
  await expect(tearDown("b")).rejects.toThrow("is damaged");
});
