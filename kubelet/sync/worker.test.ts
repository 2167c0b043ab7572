import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ContainerState, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { admit } from "../admission/admission.ts";
import { containerHash } from "../containers/container-hash.ts";
import { HASH_ANNOTATION } from "../cri/observe.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { removeEndedPods } from "../housekeeping/container-gc.ts";
import { GRACE_S_MIN, RESYNC_MS, SYNC_BACK_OFF_MS } from "../limits.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { hostsFile, podDir, podLogDir } from "../pods/pod-paths.ts";
import { holding, workerPorts } from "../testing/worker-ports.ts";
import type { PodVolumesReady } from "../volumes/pod-volumes.ts";
import { PodWorker, type WorkerHooks } from "./worker.ts";
import { admittedPods } from "./worker-table.ts";

const deleted = (deletionGracePeriodSeconds: number) =>
  ({
    metadata: {
      name: "p",
      namespace: "n",
      uid: "u",
      deletionTimestamp: "x",
      deletionGracePeriodSeconds,
    },
    spec: { containers: [{ name: "main" }] },
  }) as unknown as Pod;

/** A runtime with one container that runs. Lists wait for `seen`; stops are recorded and hang. */
function runtimeOf(seen: Promise<void>, asked: () => void, stopped: (grace_s: number) => void) {
  return {
    listPodSandbox: () => Promise.resolve({ items: [] }),
    listContainers: async () => {
      asked();
      await seen;
      return { containers: [{ id: "c", podSandboxId: "s" }] };
    },
    containerStatus: () =>
      Promise.resolve({
        status: {
          id: "c",
          metadata: { name: "main", attempt: 0 },
          state: ContainerState.CONTAINER_RUNNING,
          createdAt: 1n,
          startedAt: 1n,
          finishedAt: 0n,
          labels: {},
          annotations: {},
          mounts: [],
        },
      }),
    stopContainer: ({ timeout }: { timeout: number }) => {
      stopped(timeout);
      return new Promise<never>(() => {});
    },
  };
}

test("a grace period that is shortened while the pod is observed is the one it gets", async () => {
  const [seen, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const stopped = Promise.withResolvers<number>();
  const ports = workerPorts(runtimeOf(seen.promise, asked.resolve, stopped.resolve));
  const hooks = { publish: () => undefined } as unknown as WorkerHooks;
  const worker = new PodWorker(ports, hooks, deleted(30));
  worker.update(deleted(30));
  await asked.promise;
  worker.update(deleted(5));
  seen.resolve();
  expect(await stopped.promise).toBe(5);
  worker.close();
});

test("a pod that is being stopped has the time that the node gives it, if that is less", async () => {
  const stops: number[] = [];
  const running = runtimeOf(
    Promise.resolve(),
    () => undefined,
    () => undefined,
  );
  const stopContainer = ({ timeout }: { timeout: number }, { signal }: { signal: AbortSignal }) => {
    stops.push(timeout);
    return new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  };
  const ports = workerPorts({ ...running, stopContainer });
  const hooks = { publish: () => undefined } as unknown as WorkerHooks;
  const worker = new PodWorker(ports, hooks, deleted(31_536_000));
  onTestFinished(() => worker.close());
  worker.update(deleted(31_536_000));
  await waitFor("the stop", () => stops.length === 1);
  worker.end({ reason: "Evicted", message: "" }, 0);
  await waitFor("the shorter stop", () => stops.length === 2);
  expect(stops).toEqual([31_536_000, GRACE_S_MIN]);
  expect(worker.status?.reason).toBeUndefined();
});

/** Folders of a kubelet, removed after the test. */
function ownPaths() {
  const dir = testFolder("r2k-worker-");
  return { rootDir: join(dir, "k"), podLogsDir: join(dir, "l"), containerLogsDir: undefined };
}

/** A worker of an ended pod with a directory and one exited container. */
function endedPod(ports: {
  torn: Promise<void>;
  listed?(): void;
  remove(id: string): Promise<void>;
}) {
  const paths = ownPaths();
  const pod: Pod = {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: [{ name: "main" }] },
    status: { phase: "Succeeded", startTime: "2026-01-01T00:00:00Z" },
  };
  for (const folder of [podDir(paths, "u"), podLogDir(paths, pod)]) {
    mkdirSync(folder, { recursive: true });
  }
  writeFileSync(hostsFile(paths, "u"), "large");
  const running = runtimeOf(Promise.resolve(), ports.listed ?? (() => undefined), () => undefined);
  const exited = async () => {
    const { status } = await running.containerStatus();
    return { status: { ...status, state: ContainerState.CONTAINER_EXITED } };
  };
  const removeContainer = ({ containerId }: { containerId: string }) => ports.remove(containerId);
  const nothing = async () => undefined;
  const released: Pod[] = [];
  const runtime = { ...running, containerStatus: exited, removeContainer };
  const all = workerPorts(runtime, {
    clock: systemClock(),
    paths,
    volumes: { tearDown: () => ports.torn },
    cgroups: { remove: nothing },
    devices: { release: nothing },
    users: { release: nothing },
    releaseNetwork: (each: Pod) => void released.push(each),
    images: { forget: nothing },
    restartBackOff: { forgetAll: () => undefined },
    allocations: { forget: nothing },
  });
  const hooks = { publish: nothing, freed: nothing } as unknown as WorkerHooks;
  const worker = new PodWorker(all, hooks, pod);
  onTestFinished(() => worker.close());
  worker.trigger();
  return { worker, paths, pod, released };
}

test("an ended pod's containers and files are removed for their space, once it is reclaimed", async () => {
  const [torn, removed] = [Promise.withResolvers<void>(), [] as string[]];
  const remove = async (id: string) => void removed.push(id);
  const { worker, paths, pod, released } = endedPod({ torn: torn.promise, remove });
  const free = () => removeEndedPods({ list: () => [worker] });
  await waitFor("the pod's end", async () => worker.state === "terminated");
  await free();
  expect([removed, existsSync(hostsFile(paths, "u"))]).toEqual([[], true]);
  torn.resolve();
  await waitFor("the removal", async () => (await free(), removed.length > 0));
  expect([podDir(paths, "u"), podLogDir(paths, pod)].map((path) => existsSync(path))).toEqual([
    false,
    false,
  ]);
  expect([worker.state, worker.status?.phase]).toEqual(["terminated", "Succeeded"]);
  expect(released[0]).toBe(pod);
  await free();
  expect(removed).toEqual(["c"]);
});

test("an ended pod's remains are removed by its own steps alone, and a failure rejects", async () => {
  let listed = 0;
  const [removing, removed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const remove = async () => {
    removing.resolve();
    await removed.promise;
  };
  const ports = { torn: Promise.resolve(), listed: () => void listed++, remove };
  const { worker } = endedPod(ports);
  await waitFor("the pod's end", async () => worker.reclaimed);
  const failed = expect(worker.removeRemains()).rejects.toThrow("busy");
  await removing.promise;
  const before = listed;
  worker.forget();
  expect(listed).toBe(before);
  removed.reject(new Error("busy"));
  await failed;
  const again = worker.removeRemains();
  worker.close();
  await again;
});

test("of pods that come together as many are admitted as fit, those refused not counted", async () => {
  const [table, held] = [new Map<string, PodWorker>(), new Set<string>()];
  const refused: string[] = [];
  const cpus: Record<string, string> = { large: "100", a: "1", b: "1", c: "1", d: "0" };
  const hangs = new Promise<never>(() => {});
  const lists = { listPodSandbox: () => hangs, listContainers: () => hangs };
  const ports = workerPorts(lists, {
    events: {
      record: (pod: Pod, _: string, reason: string) => refused.push(`${uidOf(pod)} ${reason}`),
    },
    allocations: holding(held),
  });
  const hooks = {
    publish: () => undefined,
    admit: (pod: Pod) =>
      admit(pod, {
        devices: { admit: () => Promise.resolve() } as unknown as DeviceManager,
        pressure: { current: { memory: false, disk: false, pid: false } },
        allocatable: () => ({ pods: "2", cpu: "3" }),
        admitted: admittedPods(table),
        isLeaving: () => false,
        preempt: () => undefined,
      }),
  } as unknown as WorkerHooks;
  for (const [uid, cpu] of Object.entries(cpus)) {
    const spec = { containers: [{ name: "c", resources: { requests: { cpu } } }] };
    const pod: Pod = { metadata: { name: uid, namespace: "n", uid }, spec };
    table.set(uid, new PodWorker(ports, hooks, pod));
  }
  for (const worker of table.values()) worker.trigger();
  await waitFor("all decisions", async () => held.size + refused.length === 5);
  expect([[...held], refused]).toEqual([
    ["a", "b"],
    ["large OutOfcpu", "c OutOfpods", "d OutOfpods"],
  ]);
  for (const worker of table.values()) worker.close();
});

const SANDBOX = {
  id: "s",
  state: PodSandboxState.SANDBOX_READY,
  createdAt: 1n,
  network: { ip: "10.1.0.2", additionalIps: [] },
};

test("an ended pod's sandbox is stopped also where it is down: it has its address until then", async () => {
  const running = runtimeOf(
    Promise.resolve(),
    () => undefined,
    () => undefined,
  );
  const { status } = await running.containerStatus();
  const down = { ...SANDBOX, state: PodSandboxState.SANDBOX_NOTREADY };
  const stopped: string[] = [];
  const runtime = {
    ...running,
    listPodSandbox: async () => ({ items: [down] }),
    podSandboxStatus: async () => ({ status: down }),
    containerStatus: async () => ({
      status: { ...status, state: ContainerState.CONTAINER_EXITED },
    }),
    stopPodSandbox: async ({ podSandboxId }: { podSandboxId: string }) =>
      void stopped.push(podSandboxId),
  };
  const clock = systemClock();
  const turns = { run: (_: Pod, work: () => Promise<void>) => work() };
  const ports = workerPorts(runtime, { clock, paths: ownPaths(), turns });
  const nothing = async () => undefined;
  const hooks = { publish: nothing, freed: nothing } as unknown as WorkerHooks;
  const worker = new PodWorker(ports, hooks, {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { restartPolicy: "Never", containers: [{ name: "main" }] },
  });
  onTestFinished(() => worker.close());
  worker.end({ reason: "Evicted", message: "" }, 1);
  await waitFor("the pod's end", async () => worker.state === "terminated", { clock });
  expect(stopped).toEqual(["s"]);
});

/** Ports of a pod whose sandbox is ready; its volumes are set up by `setUp`. */
function runningPod(
  clock: Clock,
  runtime: object,
  setUp: (pod: Pod, since_ms: number) => Promise<PodVolumesReady>,
) {
  const paths = ownPaths();
  const sandboxes = {
    listPodSandbox: async () => ({ items: [SANDBOX] }),
    podSandboxStatus: async () => ({ status: SANDBOX }),
  };
  return workerPorts(
    { ...runtime, ...sandboxes },
    {
      clock,
      paths,
      cgroups: { create: () => undefined },
      volumes: { setUp },
      sandboxNode: {
        paths,
        cgroupRoot: "",
        clusterDns: { domain: "", servers: [] },
        hostResolver: { servers: [], searches: [], options: [] },
        seccomp: {},
        users: { of: () => undefined },
      },
      allocations: { has: () => true, admit: async () => undefined },
    },
  );
}

test("a pod that is deleted while a container is killed gets its own grace period", async () => {
  const stops: number[] = [];
  const running = runtimeOf(
    Promise.resolve(),
    () => undefined,
    () => undefined,
  );
  const runtime = {
    ...running,
    stopContainer: ({ timeout }: { timeout: number }, { signal }: { signal?: AbortSignal }) => {
      stops.push(timeout);
      return new Promise<never>((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    },
  };
  const clock = systemClock();
  const setUp = async () => ({ volumes: new Map(), refreshed: true });
  const ports = runningPod(clock, runtime, setUp);
  const nothing = async () => undefined;
  const hooks = { publish: nothing, admit: nothing } as unknown as WorkerHooks;
  // The container runs without the hash of its definition: it is killed to be started again.
  const worker = new PodWorker(ports, hooks, {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: [{ name: "main" }] },
  });
  onTestFinished(() => worker.close());
  worker.trigger();
  await waitFor("the kill", async () => stops.length === 1, { clock });
  worker.update(deleted(5));
  await waitFor("the stop", async () => stops.length === 2, { clock });
  expect(stops).toEqual([30, 5]);
});

/** Takes two steps of a pod whose container runs; returns their times and what they left. */
async function twoSteps(refreshed: boolean, pause_ms: number) {
  const container = { name: "main" };
  const running = runtimeOf(
    Promise.resolve(),
    () => undefined,
    () => undefined,
  );
  const { status } = await running.containerStatus();
  const annotations = { [HASH_ANNOTATION]: containerHash(container) };
  const containerStatus = async () => ({ status: { ...status, annotations } });
  const clock = new ManualClock();
  const pauses: number[] = [];
  const noting: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after(delay_ms, fn) {
      pauses.push(delay_ms);
      return clock.after(delay_ms, fn);
    },
  };
  const steps: number[] = [];
  const since: unknown[] = [];
  const setUp = async (_: Pod, since_ms: number) => {
    steps.push(clock.monotonic());
    since.push(since_ms);
    return { volumes: new Map(), refreshed };
  };
  const ports = runningPod(noting, { ...running, containerStatus }, setUp);
  mkdirSync(podDir(ports.paths, "u"), { recursive: true });
  writeFileSync(hostsFile(ports.paths, "u"), "10.1.2.3 of-the-container");
  const nothing = async () => undefined;
  const hooks = { publish: nothing, admit: nothing } as unknown as WorkerHooks;
  const worker = new PodWorker(ports, hooks, {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: [container] },
  });
  onTestFinished(() => worker.close());
  worker.trigger();
  await waitFor("the pause", () => pauses.includes(pause_ms));
  clock.advance(pause_ms);
  await waitFor("the next step", () => steps.length > 1);
  return { steps, since, hosts: readFileSync(hostsFile(ports.paths, "u"), "utf8") };
}

test.each([
  [false, SYNC_BACK_OFF_MS],
  [true, RESYNC_MS],
])("the step after one with `refreshed` %s is taken in %d ms", async (refreshed, pause_ms) => {
  expect((await twoSteps(refreshed, pause_ms)).steps).toEqual([0, pause_ms]);
});

test("a step without a start leaves what a container wrote to its hosts file", async () => {
  expect((await twoSteps(true, RESYNC_MS)).hosts).toBe("10.1.2.3 of-the-container");
});

test("a pod's volumes have no objects that were read before it came", async () => {
  expect((await twoSteps(true, RESYNC_MS)).since).toEqual([0, 0]);
});
