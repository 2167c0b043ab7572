import { statSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { readCheckpoint } from "@raft2kube/kubelet/devices/checkpoint.ts";
import {
  type RunningDeviceManager,
  startDeviceManager,
} from "@raft2kube/kubelet/devices/device-manager.ts";
import { DevicePlugin as ListedPlugin } from "@raft2kube/kubelet/devices/device-plugin.ts";
import { DeviceResources } from "@raft2kube/kubelet/devices/device-resources.ts";
import {
  ALLOCATION_BYTES_MAX,
  DEVICE_ID_BYTES_MAX,
  DEVICES_MAX,
  LIST_MESSAGES_MAX,
  LISTS_REST_MS,
  LISTS_REST_TIMES,
  LISTS_TURN_MS,
  PLUGIN_MESSAGE_BYTES_MAX,
} from "@raft2kube/kubelet/devices/limits.ts";
import { watchDirectory } from "@raft2kube/linux/file/file-events.ts";
import {
  DevicePlugin,
  type DevicePluginMethods,
  ListAndWatchResponse,
  Registration,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import { PodResourcesLister } from "@raft2kube/proto/gen/podresources.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type Handlers, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";

const clock = systemClock();

/** Plugins that crash, lie or print garbage: their resource suffers, the node does not. */
describe("a kubelet and a device plugin that misbehaves", () => {
  let rootDir: string;
  let devices: RunningDeviceManager;
  const closers: (() => Promise<unknown>)[] = [];
  let pods: Pod[];

  beforeEach(async () => {
    rootDir = testFolder("r2k-bad-device-");
    pods = [];
    devices = await startDeviceManager({ rootDir, activePods: { list: () => pods }, clock });
    closers.push(() => devices.close());
  });
  afterEach(async () => {
    // The kubelet first: its streams would hold the plugins' servers open.
    for (const close of closers.splice(0)) await close();
  });

  const pluginDir = () => path.join(rootDir, "device-plugins");
  async function register(endpoint: string, resourceName: string): Promise<void> {
    const channel = connectGrpc(`unix://${path.join(pluginDir(), "kubelet.sock")}`);
    const request = { version: "v1beta1", endpoint, resourceName };
    await client(channel, Registration).register(request);
    channel.close();
  }
  async function startPlugin(
    name: string,
    handlers: Handlers<DevicePluginMethods>,
    endpoint = `${name}.sock`,
  ): Promise<void> {
    const server = await serveGrpc({
      listen: { path: path.join(pluginDir(), endpoint) },
      services: [serve(DevicePlugin, handlers)],
    });
    closers.push(() => server.close());
    await register(endpoint, `r2k.dev/${name}`);
  }
  async function* healthy(count: number, signal: AbortSignal) {
    const list = Array.from({ length: count }, (_, i) => ({ ID: `d${i}`, health: "Healthy" }));
    yield { devices: list };
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }
  const allocatable = (name: string, count: number) =>
    waitFor(
      `${count} of ${name}`,
      () => devices.manager.capacity().allocatable[`r2k.dev/${name}`] === String(count),
    );
  const podWith = (name: string): Pod => ({
    metadata: { name, uid: name },
    spec: { containers: [{ name: "c", resources: { limits: { [`r2k.dev/${name}`]: "1" } } }] },
  });
  const refusal = (message: string) => ({
    reason: "UnexpectedAdmissionError",
    message: expect.stringContaining(message),
  });

  it("a plugin's refusal or nonsense fails the pod that asked, in its words", async () => {
    await startPlugin("refuses", {
      listAndWatch: (_, call) => healthy(1, call.signal),
      allocate: () => {
        throw new RpcError(Status.INTERNAL, "the bus is on fire");
      },
    });
    await startPlugin("miscounts", {
      listAndWatch: (_, call) => healthy(1, call.signal),
      allocate: () => ({ containerResponses: [{}, {}] }),
    });
    await allocatable("refuses", 1);
    await allocatable("miscounts", 1);
    const { manager } = devices;
    await expect(manager.admit(podWith("refuses"))).rejects.toMatchObject(
      refusal("the bus is on fire"),
    );
    await expect(manager.admit(podWith("miscounts"))).rejects.toMatchObject(
      refusal("2 answers to one request"),
    );
  });

  it("garbage, absence and floods leave a resource empty, and others as they are", async () => {
    const garbage = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end("\0garbage", () => socket.destroy());
    });
    garbage.listen(path.join(pluginDir(), "garbage.sock"));
    closers.push(() => new Promise((resolve) => garbage.close(resolve)));
    await register("garbage.sock", "r2k.dev/garbage");
    await register("absent.sock", "r2k.dev/absent");
    await startPlugin("floods", {
      listAndWatch: (_, call) => healthy(DEVICES_MAX + 1, call.signal),
    });
    await startPlugin("good", {
      listAndWatch: (_, call) => healthy(2, call.signal),
      allocate: () => ({ containerResponses: [{}] }),
    });
    await allocatable("good", 2);
    for (const name of ["garbage", "absent", "floods"]) await allocatable(name, 0);
    await devices.manager.admit(podWith("good"));
  });

  it("long ids and large answers are refused: a kubelet reads its checkpoint again", async () => {
    const listLong = async function* (signal: AbortSignal) {
      yield { devices: [{ ID: "x".repeat(DEVICE_ID_BYTES_MAX + 1), health: "Healthy" }] };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    await startPlugin("names", { listAndWatch: (_, call) => listLong(call.signal) });
    await startPlugin("large", {
      listAndWatch: (_, call) => healthy(1, call.signal),
      allocate: () => ({ containerResponses: [{ envs: { A: "x".repeat(ALLOCATION_BYTES_MAX) } }] }),
    });
    await startPlugin("good", {
      listAndWatch: (_, call) => healthy(1, call.signal),
      allocate: () => ({ containerResponses: [{}] }),
    });
    await allocatable("large", 1);
    await allocatable("good", 1);
    await allocatable("names", 0);
    const { manager } = devices;
    await expect(manager.admit(podWith("large"))).rejects.toMatchObject(refusal("an answer of "));
    await manager.admit(podWith("good"));
    const file = path.join(pluginDir(), "kubelet_internal_checkpoint");
    const { entries, resources } = await readCheckpoint(file);
    expect(entries.map(({ podUid }) => podUid)).toEqual(["good"]);
    expect(resources).toEqual(["r2k.dev/good", "r2k.dev/large", "r2k.dev/names"]);
  });

  it("answers of many empty values, which take long to decode, are refused", async () => {
    const many = <T>(value: T) => Array.from({ length: ALLOCATION_BYTES_MAX }, () => value);
    await startPlugin("empty", {
      listAndWatch: (_, call) => healthy(2, call.signal),
      allocate: () => ({ containerResponses: [{ mounts: many({}) }] }),
      getPreferredAllocation: () => ({ containerResponses: [{ deviceIDs: many("") }] }),
    });
    const options = { getPreferredAllocationAvailable: true, preStartRequired: false };
    const socket = path.join(pluginDir(), "empty.sock");
    const listener = { devices: () => undefined, stopped: () => undefined };
    const plugin = new ListedPlugin(
      { resource: "r", socket, options, clock, resources: () => 1 },
      listener,
    );
    closers.unshift(() => plugin.close());
    const message = "the plugin of r gave an answer of 131076 bytes, at most ";
    const offer = { available: ["d0", "d1"], must: [], count: 1 };
    await expect(plugin.preferred(offer)).rejects.toThrow(`${message}28 `);
    await expect(plugin.allocate(["d0"])).rejects.toThrow(`${message}${ALLOCATION_BYTES_MAX} `);
  });

  it("a plugin that changes its devices again and again causes no writes", async () => {
    const lists = 2_000;
    const flood = async function* (signal: AbortSignal) {
      for (let i = 1; i <= lists; i++) {
        yield { devices: Array.from({ length: i % 3 }, (_, id) => ({ ID: `${id}`, health: "" })) };
      }
      yield* healthy(7, signal);
    };
    const file = path.join(pluginDir(), "kubelet_internal_checkpoint");
    const times = new Set<number>();
    const watching = watchDirectory(
      pluginDir(),
      () => {
        const found = statSync(file, { throwIfNoEntry: false });
        if (found) times.add(found.mtimeMs);
      },
      () => undefined,
    );
    closers.push(async () => watching.close());
    await startPlugin("flood", { listAndWatch: (_, call) => flood(call.signal) });
    await allocatable("flood", 7);
    // Writes are in turn: after this one those of the flood are done.
    await devices.manager.retain(new Set());
    expect(times.size).toBeLessThan(10);
  });

  it("a plugin that hangs delays pods with its devices, and no others", async () => {
    let asked = 0;
    await startPlugin("hangs", {
      listAndWatch: (_, call) => healthy(2, call.signal),
      allocate: async () => {
        asked++;
        await new Promise(() => {});
        return {};
      },
    });
    await startPlugin("good", {
      listAndWatch: (_, call) => healthy(2, call.signal),
      allocate: () => ({ containerResponses: [{}] }),
    });
    await allocatable("hangs", 2);
    await allocatable("good", 2);
    const { manager } = devices;
    const admitted: string[] = [];
    const admit = async (pod: Pod) => {
      await manager.admit(pod);
      admitted.push(pod.metadata.name ?? "");
    };
    const stuck = [podWith("hangs"), podWith("hangs")].map((pod) =>
      expect(admit(pod)).rejects.toMatchObject(refusal("hangs")),
    );
    await waitFor("the call", () => asked === 1);
    await admit({ metadata: { name: "plain", uid: "plain" }, spec: { containers: [] } });
    await admit(podWith("good"));
    await manager.release("good");
    expect([admitted, asked]).toEqual([["plain", "good"], 1]);
    await devices.close();
    await Promise.all(stuck);
  });

  it("a list of a million NUMA nodes is refused before it is decoded whole", async () => {
    const nodes = Array.from({ length: 1_000_000 }, () => ({ ID: 0 }));
    const list = { devices: [{ ID: "d", health: "Healthy", topology: { nodes } }] };
    const bytes = ListAndWatchResponse.encode(list);
    expect(bytes.length).toBeLessThan(PLUGIN_MESSAGE_BYTES_MAX);
    const topology = { nodes: nodes.slice(0, 8) };
    const most = Array.from({ length: DEVICES_MAX }, (_, i) => ({ ID: `${i}`, topology }));
    const largest = ListAndWatchResponse.encode({ devices: most });
    const decoded = ListAndWatchResponse.decode(largest, LIST_MESSAGES_MAX);
    expect(decoded.devices).toHaveLength(DEVICES_MAX);
    expect(() => ListAndWatchResponse.decode(bytes, LIST_MESSAGES_MAX)).toThrow("too many");
    const isListed = Promise.withResolvers<void>();
    await startPlugin("nodes", {
      async *listAndWatch(_, { signal }) {
        yield { devices: [{ ID: "d", health: "Healthy" }] };
        await isListed.promise;
        yield list;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    await allocatable("nodes", 1);
    isListed.resolve();
    // The plugin is disconnected: it has no healthy devices.
    await allocatable("nodes", 0);
    expect(devices.manager.capacity().capacity["r2k.dev/nodes"]).toBe("1");
  });

  it("monitoring agents are shown no more devices than a turn has time for", async () => {
    const count = DEVICES_MAX;
    const many = {
      listAndWatch: (_: unknown, call: { signal: AbortSignal }) => healthy(count, call.signal),
      allocate: () => ({ containerResponses: [{}] }),
    };
    for (const name of ["a", "b", "c"]) await startPlugin(name, many);
    for (const name of ["a", "b", "c"]) await allocatable(name, count);
    const channel = connectGrpc(`unix://${path.join(rootDir, "pod-resources", "kubelet.sock")}`);
    closers.unshift(async () => channel.close());
    const lister = client(channel, PodResourcesLister);
    const limits = { "r2k.dev/a": `${count}`, "r2k.dev/b": `${count}`, "r2k.dev/c": "1" };
    const metadata = { name: "p", namespace: "n", uid: "u" };
    pods = [{ metadata, spec: { containers: [{ name: "c", resources: { limits } }] } }];
    await devices.manager.admit(pods[0]!);
    const shown = await Promise.allSettled([
      lister.getAllocatableResources({}),
      lister.list({}),
      lister.get({ podName: "p", podNamespace: "n" }),
    ]);
    expect(shown).toMatchObject(
      shown.map(() => ({ reason: { status: Status.RESOURCE_EXHAUSTED } })),
    );
  });

  it("lists without end are taken for a part of the time", async () => {
    const rests: number[] = [];
    const manual = new (class extends ManualClock {
      override after(delay_ms: number, fn: () => void) {
        rests.push(delay_ms);
        return super.after(delay_ms, fn);
      }
    })();
    const sent = async function* (signal: AbortSignal) {
      yield* [1, 2, 3].map((count) => ({
        devices: Array.from({ length: count }, (_, id) => ({ ID: `${id}`, health: "Healthy" })),
      }));
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    await startPlugin("lists", { listAndWatch: (_, call) => sent(call.signal) });
    const taken: number[] = [];
    const name = "r2k.dev/lists";
    const resources = new DeviceResources({
      clock: manual,
      known: ["r2k.dev/a", "r2k.dev/b"],
      changed: () => {
        taken.push(resources.devices(name).size);
        manual.advance(taken.at(-1)! * LISTS_TURN_MS);
      },
    });
    closers.unshift(() => resources.close());
    rests.length = 0;
    const options = { preStartRequired: false, getPreferredAllocationAvailable: false };
    await resources.add(name, path.join(pluginDir(), "lists.sock"), options);
    for (const count of [1, 2, 3]) {
      const rest_ms = 3 * Math.max(LISTS_REST_MS, LISTS_REST_TIMES * count * LISTS_TURN_MS);
      await waitFor("a list", () => taken.length === count && rests.length === count);
      expect(rests.at(-1)).toBe(rest_ms);
      manual.advance(rest_ms);
    }
  });

  it("a second plugin of the same resource takes its place", async () => {
    await startPlugin("r", { listAndWatch: (_, call) => healthy(1, call.signal) }, "old.sock");
    await allocatable("r", 1);
    await startPlugin("r", { listAndWatch: (_, call) => healthy(3, call.signal) }, "new.sock");
    await allocatable("r", 3);
  });
});
