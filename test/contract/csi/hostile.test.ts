import { mkdir } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import path from "node:path";
import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { serveRegistration } from "@raft2kube/csi/lib/registration.ts";
import { connectDriver } from "@raft2kube/csi/sidecars/beside-driver.ts";
import { identifyDriver } from "@raft2kube/csi/sidecars/driver-identity.ts";
import { DRIVER_ANSWER_BYTES_MAX } from "@raft2kube/csi/sidecars/limits.ts";
import { CsiDrivers } from "@raft2kube/kubelet/plugins/csi-drivers.ts";
import { PLUGIN_ANSWER_BYTES_MAX, TOPOLOGY_KEYS_MAX } from "@raft2kube/kubelet/plugins/limits.ts";
import { startPluginWatcher } from "@raft2kube/kubelet/plugins/plugin-watcher.ts";
import { csiPlugin } from "@raft2kube/kubelet/volumes/csi.ts";
import { FilesBudget } from "@raft2kube/kubelet/volumes/files.ts";
import type { VolumePlugin } from "@raft2kube/kubelet/volumes/plugin.ts";
import { VolumesInUse } from "@raft2kube/kubelet/volumes/volumes-in-use.ts";
import {
  NodeServiceCapability_RPC_Type as Capability,
  Identity,
  Node,
  VolumeUsage_Unit as Unit,
} from "@raft2kube/proto/gen/csi.ts";
import { type RpcServer, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";

const DRIVER = "hostile.example";
const clock = systemClock();

/** Drivers that hang, crash or speak something else: nothing hangs with them, nothing is lost. */
describe("a kubelet and a CSI driver that misbehaves", () => {
  let dir: string;
  let drivers: CsiDrivers;
  let plugin: VolumePlugin;
  let hangs: string | undefined;
  let calls: string[];
  let topology: Record<string, string>;
  let capabilities: { rpc?: { type: Capability } }[];
  const usage = [
    { unit: Unit.BYTES, total: -5, used: 7, available: -1 },
    { unit: Unit.INODES, total: 0, used: -2, available: 3 },
  ];
  const closers: (() => Promise<unknown> | unknown)[] = [];

  beforeEach(async () => {
    dir = testFolder("r2k-hostile-");
    hangs = undefined;
    calls = [];
    topology = {};
    capabilities = [{ rpc: { type: Capability.GET_VOLUME_STATS } }];
    drivers = new CsiDrivers({ added: async () => {}, removed: async () => {} });
    closers.push(() => drivers.close());
    const registryDir = path.join(dir, "registry");
    const handlers = { CSIPlugin: drivers };
    const watcher = await startPluginWatcher({ registryDir, handlers, clock });
    closers.push(() => watcher.close());
    const metadata = { name: DRIVER };
    const spec = { attachRequired: false, volumeLifecycleModes: ["Ephemeral" as const] };
    const none = async () => undefined;
    const objects = {
      csiDriver: async () => ({ metadata, spec }),
      secret: async () => ({}),
      node: none,
      attachment: none,
      patchClaimStatus: async (claim: PersistentVolumeClaim) => claim,
    };
    const inUse = new VolumesInUse();
    const options = { rootDir: dir, nodeName: "n", drivers, objects, inUse, clock };
    plugin = csiPlugin({ ...options, callTimeout_ms: 1_500 });
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  /** A driver that does nothing, or nothing ever again, when called. */
  async function serveDriver(): Promise<RpcServer> {
    const answer = (name: string) => async () => {
      calls.push(name);
      if (hangs === name) await new Promise(() => {});
      return {};
    };
    const server = await serveGrpc({
      listen: { path: path.join(dir, "csi.sock") },
      services: [
        serve(Identity, {
          probe: () => ({}),
          getPluginInfo: () => ({ name: DRIVER }),
          getPluginCapabilities: () => ({ capabilities: capabilities.map(() => ({})) }),
        }),
        serve(Node, {
          nodeGetInfo: () => ({ nodeId: "n", accessibleTopology: { segments: topology } }),
          nodeGetCapabilities: () => ({ capabilities }),
          nodeGetVolumeStats: () => ({ usage }),
          nodePublishVolume: answer("publish"),
          nodeUnpublishVolume: answer("unpublish"),
        }),
      ],
    });
    closers.push(() => server.close());
    return server;
  }

  async function startDriver(): Promise<RpcServer> {
    const server = await serveDriver();
    const socket = path.join(dir, "csi.sock");
    const registrationDir = path.join(dir, "registry");
    const registration = await serveRegistration({ registrationDir, driverName: DRIVER, socket });
    closers.push(() => registration.close());
    await waitFor("registration", () => drivers.list().length === 1);
    return server;
  }

  async function volumeDir(): Promise<string> {
    const parent = path.join(dir, "pods", "u", "volumes", plugin.name);
    await mkdir(parent, { recursive: true });
    return path.join(parent, "v");
  }
  const setUp = async () =>
    plugin.setUp({
      pod: { metadata: { name: "p", uid: "u" }, spec: { containers: [] } },
      spec: { name: "v", volume: { name: "v", csi: { driver: DRIVER } } },
      dir: await volumeDir(),
      fsGroup: undefined,
      readOnly: false,
      budget: new FilesBudget(),
    });
  const tearDown = async () =>
    plugin.tearDown({ podUid: "u", volumeName: "v", dir: await volumeDir(), inside: undefined });

  it("a call that hangs fails in time, and the volume is still taken away", async () => {
    await startDriver();
    hangs = "publish";
    await expect(setUp()).rejects.toMatchObject({
      code: "MountFailed",
      message: expect.stringContaining("code = DeadlineExceeded"),
    });
    hangs = "unpublish";
    await expect(tearDown()).rejects.toMatchObject({ code: "MountFailed" });
    hangs = undefined;
    await tearDown();
    expect(calls).toEqual(["publish", "unpublish", "unpublish"]);
    await tearDown();
    expect(calls).toHaveLength(3);
  });

  it("a driver that is killed in a call: an error now, the volume later", async () => {
    const server = await startDriver();
    hangs = "publish";
    const publishing = setUp();
    await waitFor("the call", () => calls.includes("publish"));
    await Promise.all([
      expect(publishing).rejects.toMatchObject({ code: "MountFailed" }),
      server.close(),
    ]);
    hangs = undefined;
    await startDriver();
    await waitFor("the volume", async () => (await setUp()) !== undefined);
    await tearDown();
  });

  it("what a driver reports below zero is not reported", async () => {
    await startDriver();
    await setUp();
    const dir = await volumeDir();
    expect(await plugin.usage?.({ dir, measured: undefined })).toEqual({
      used_bytes: 7,
      inodes: 0,
      inodesFree: 3,
      readOnly: false,
    });
  });

  it("the topology keys of a driver, which become labels of the node, are bounded", async () => {
    await serveDriver();
    for (let i = 0; i <= TOPOLOGY_KEYS_MAX; i++) topology[`hostile.example/${i}`] = "x";
    const endpoint = path.join(dir, "csi.sock");
    const info = { type: "CSIPlugin", name: DRIVER, endpoint, supportedVersions: ["1.0.0"] };
    const code = "TooManyTopologyKeys";
    await expect(drivers.register(info)).rejects.toMatchObject({ code });
  });

  it("answers of thousands of empty messages, which take long to decode, are refused", async () => {
    await serveDriver();
    capabilities = Array.from({ length: PLUGIN_ANSWER_BYTES_MAX / 2 + 1 }, () => ({}));
    const endpoint = path.join(dir, "csi.sock");
    const info = { type: "CSIPlugin", name: DRIVER, endpoint, supportedVersions: ["1.0.0"] };
    const code = "RESOURCE_EXHAUSTED";
    await expect(drivers.register(info)).rejects.toMatchObject({ code });
  });

  it("and by the sidecars too", async () => {
    await serveDriver();
    using channel = connectDriver(path.join(dir, "csi.sock"));
    capabilities = Array.from({ length: DRIVER_ANSWER_BYTES_MAX / 2 }, () => ({}));
    expect(await identifyDriver(channel)).toMatchObject({ name: DRIVER });
    capabilities.push({});
    const code = "RESOURCE_EXHAUSTED";
    await expect(identifyDriver(channel)).rejects.toMatchObject({ code });
  });

  it("garbage on a registration socket does not keep other plugins out", async () => {
    const garbage: Server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end("HTTP/1.1 200 OK\r\n\r\n\0\xff garbage", () => socket.destroy());
    });
    const listening = new Promise((resolve) => garbage.once("listening", resolve));
    garbage.listen(path.join(dir, "registry", "0-garbage.sock"));
    await listening;
    closers.push(() => new Promise((resolve) => garbage.close(resolve)));
    await startDriver();
    expect(drivers.list().map(({ name }) => name)).toEqual([DRIVER]);
  });
});
