import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { startSampleDevicePlugin } from "@raft2kube/device/plugins/sample/main.ts";
import {
  type RunningDeviceManager,
  startDeviceManager,
} from "@raft2kube/kubelet/devices/device-manager.ts";
import { PLUGIN_GONE_GRACE_MS } from "@raft2kube/kubelet/devices/limits.ts";
import { Registration } from "@raft2kube/proto/gen/deviceplugin.ts";
import { PodResourcesLister } from "@raft2kube/proto/gen/podresources.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";

const RESOURCE = "r2k.dev/sample";
const clock = systemClock();

/** The sample plugin and our kubelet's device side, over v1beta1 sockets. */
describe("device plugin v1beta1: the sample plugin and the device manager", () => {
  let rootDir: string;
  let healthFile: string;
  let kubeletClock: ManualClock;
  let devices: RunningDeviceManager;
  let plugin: { close(): Promise<void> };
  let pods: Pod[];

  const startKubelet = () =>
    startDeviceManager({ rootDir, activePods: { list: () => pods }, clock: kubeletClock });
  const startPlugin = () =>
    startSampleDevicePlugin({ kubeletDir: rootDir, count: 3, healthFile, clock });
  const allocatable = (count: number) =>
    waitFor(
      `${count} allocatable`,
      () => devices.manager.capacity().allocatable[RESOURCE] === String(count),
    );

  beforeEach(async () => {
    rootDir = testFolder("r2k-device-");
    healthFile = path.join(rootDir, "unhealthy");
    kubeletClock = new ManualClock();
    pods = [];
    devices = await startKubelet();
    plugin = await startPlugin();
    await allocatable(3);
  });
  afterEach(async () => {
    await plugin.close();
    await devices.close();
  });

  const container = (name: string, count: number): Container => ({
    name,
    resources: { limits: { [RESOURCE]: String(count) } },
  });
  function podOf(uid: string, containers: Container[], initContainers: Container[] = []): Pod {
    const metadata = { name: uid, namespace: "ns", uid };
    const pod = { metadata, spec: { containers, initContainers } };
    pods.push(pod);
    return pod;
  }
  async function held(pod: Pod, index = 0): Promise<string | undefined> {
    const { envs } = await devices.manager.allocate(pod, pod.spec.containers[index]!);
    return envs.find(({ key }) => key === "R2K_SAMPLE_DEVICES")?.value;
  }

  it("gives a pod its devices and refuses the pod that asks for more than are free", async () => {
    const first = podOf("first", [container("c", 2)]);
    await devices.manager.admit(first);
    const allocation = await devices.manager.allocate(first, first.spec.containers[0]!);
    expect(allocation.envs).toEqual([{ key: "R2K_SAMPLE_DEVICES", value: "sample-0,sample-1" }]);
    expect(allocation.devices[0]).toEqual({
      containerPath: "/dev/r2k/sample-0",
      hostPath: "/dev/null",
      permissions: "rw",
    });
    const second = podOf("second", [container("c", 2)]);
    await expect(devices.manager.admit(second)).rejects.toMatchObject({
      reason: "UnexpectedAdmissionError",
      message: expect.stringContaining("Requested: 2, Available: 1"),
    });
    await devices.manager.release("first");
    await devices.manager.admit(second);
    expect(await held(second)).toBe("sample-0,sample-1");
  });

  it("gives an ended pod's devices to the next, once every pod of the node is known", async () => {
    const first = podOf("first", [container("c", 3)]);
    await devices.manager.admit(first);
    const second = podOf("second", [container("c", 3)]);
    pods = pods.filter((pod) => pod !== first);
    await expect(devices.manager.admit(second)).rejects.toThrow("Available: 0");
    await devices.manager.retain(new Set(["first", "second"]));
    await devices.manager.admit(second);
    expect(await held(second)).toBe("sample-0,sample-1,sample-2");
  });

  it("never gives one device to two pods admitted at once", async () => {
    const all = ["a", "b", "c"].map((uid) => podOf(uid, [container("c", 1)]));
    await Promise.all(all.map((pod) => devices.manager.admit(pod)));
    const ids = await Promise.all(all.map((pod) => held(pod)));
    expect([...ids].sort()).toEqual(["sample-0", "sample-1", "sample-2"]);
  });

  it("passes an init container's devices on to the pod's containers", async () => {
    const pod = podOf("p", [container("a", 2), container("b", 1)], [container("init", 3)]);
    await devices.manager.admit(pod);
    expect([await held(pod, 0), await held(pod, 1)]).toEqual(["sample-0,sample-1", "sample-2"]);
  });

  it("takes unhealthy devices off allocatable, keeps them in capacity", async () => {
    await writeFile(healthFile, "sample-0\nsample-2\n");
    await allocatable(1);
    expect(devices.manager.capacity().capacity[RESOURCE]).toBe("3");
    const pod = podOf("p", [container("c", 1)]);
    await devices.manager.admit(pod);
    expect(await held(pod)).toBe("sample-1");
    await rm(healthFile);
    await allocatable(3);
  });

  it("a plugin vanishes: nothing is allocatable until it returns, or leaves for good", async () => {
    await plugin.close();
    await allocatable(0);
    const pod = podOf("p", [container("c", 1)]);
    await expect(devices.manager.admit(pod)).rejects.toThrow("Available: 0");
    plugin = await startPlugin();
    await allocatable(3);
    await devices.manager.admit(pod);
    await plugin.close();
    await allocatable(0);
    kubeletClock.advance(PLUGIN_GONE_GRACE_MS);
    const none = { [RESOURCE]: "0" };
    expect(devices.manager.capacity()).toEqual({ capacity: none, allocatable: none });
    plugin = await startPlugin();
    await allocatable(3);
  });

  it("a kubelet restarts: the plugin registers again, pods keep their devices", async () => {
    const pod = podOf("p", [container("c", 2)]);
    await devices.manager.admit(pod);
    const before = await held(pod);
    await devices.close();
    devices = await startKubelet();
    expect(devices.manager.capacity().allocatable).toEqual({ [RESOURCE]: "0" });
    await devices.manager.admit(pod);
    expect(await held(pod)).toBe(before);
    await allocatable(3);
    const other = podOf("other", [container("c", 2)]);
    await expect(devices.manager.admit(other)).rejects.toThrow("Available: 1");
    await devices.manager.retain(new Set(["other"]));
    await devices.manager.admit(other);
  });

  it("refuses to start on a damaged checkpoint", async () => {
    await devices.manager.admit(podOf("p", [container("c", 1)]));
    await devices.close();
    const file = path.join(rootDir, "device-plugins", "kubelet_internal_checkpoint");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace("sample-0", "sample-1"));
    await expect(startKubelet()).rejects.toMatchObject({ code: "CheckpointDamaged" });
    await writeFile(file, text);
    devices = await startKubelet();
  });

  it("refuses registrations with another version, a foreign path or a reserved name", async () => {
    const channel = connectGrpc(`unix://${path.join(rootDir, "device-plugins", "kubelet.sock")}`);
    const { register } = client(channel, Registration);
    const good = { version: "v1beta1", endpoint: "x.sock", resourceName: "r2k.dev/x" };
    const bad = [
      { version: "v1alpha" },
      { endpoint: "../x.sock" },
      { endpoint: "/tmp/x.sock" },
      { endpoint: "" },
      { resourceName: "cpu" },
      { resourceName: "kubernetes.io/x" },
    ];
    for (const change of bad) {
      const refused = register({ ...good, ...change });
      await expect(refused).rejects.toMatchObject({ status: Status.INVALID_ARGUMENT });
    }
    channel.close();
    expect(Object.keys(devices.manager.capacity().capacity)).toEqual([RESOURCE]);
  });

  it("podresources lists the devices of each container", async () => {
    const pod = podOf("p", [container("c", 1), { name: "none" }]);
    await devices.manager.admit(pod);
    const channel = connectGrpc(`unix://${path.join(rootDir, "pod-resources", "kubelet.sock")}`);
    const lister = client(channel, PodResourcesLister);
    const { podResources } = await lister.list({});
    expect(podResources).toMatchObject([
      {
        name: "p",
        namespace: "ns",
        containers: [
          { name: "c", devices: [{ resourceName: RESOURCE, deviceIds: ["sample-0"] }] },
          { name: "none", devices: [] },
        ],
      },
    ]);
    const got = await lister.get({ podName: "p", podNamespace: "ns" });
    expect(got.podResources).toEqual(podResources[0]);
    const missing = lister.get({ podName: "x", podNamespace: "ns" });
    await expect(missing).rejects.toMatchObject({ status: Status.NOT_FOUND });
    const { devices: all } = await lister.getAllocatableResources({});
    expect(all.map(({ deviceIds }) => deviceIds[0])).toEqual(["sample-0", "sample-1", "sample-2"]);
    channel.close();
  });
});
