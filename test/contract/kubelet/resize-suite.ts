import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type {
  Container,
  Pod,
  PodCondition,
  ResourceRequirements,
} from "@raft2kube/api/gen/core/v1.ts";
import { EVENTS, NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { milliValueOf } from "@raft2kube/std/quantity.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Implementation } from "../cri/implementation.ts";
import { type ApiNode, startApiNode } from "./api-node.ts";
import { isReady, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** The kubelet syncs again by itself after longer: a change is carried out immediately. */
const patience = { timeout_ms: 40_000, interval_ms: 100 };
const MI = 2 ** 20;

function amounts(cpu: string, memory: string): ResourceRequirements {
  return { requests: { cpu, memory }, limits: { cpu, memory } };
}

const conditionOf = (pod: Pod, type: string): PodCondition | undefined =>
  pod.status?.conditions?.find((each) => each.type === type);

/** No resize is under way, and the containers have the resources of the spec. */
function isResized(pod: Pod): boolean {
  if (conditionOf(pod, "PodResizePending") || conditionOf(pod, "PodResizeInProgress")) return false;
  return pod.spec.containers.every(({ name, resources = {} }) => {
    const status = statusOf(pod, name);
    const { requests, limits } = status?.resources ?? {};
    const shown = JSON.stringify([requests, limits, status?.allocatedResources]);
    return shown === JSON.stringify([resources.requests, resources.limits, resources.requests]);
  });
}

class ResizeBench {
  readonly #api: ApiNode;

  constructor(api: ApiNode) {
    this.#api = api;
  }

  get node() {
    return this.#api.node;
  }

  get #pods() {
    return this.#api.plane.admin.resource(PODS);
  }

  async allocatableCpu_milli(): Promise<number> {
    const node = await this.#api.plane.admin.resource(NODES).get({ name: "node" });
    return milliValueOf(node.status?.allocatable?.["cpu"] ?? "0");
  }

  create(name: string, containers: Container[], more: Partial<Pod["spec"]> = {}): Promise<Pod> {
    const metadata = { namespace: "default", name };
    return this.#pods.create({ metadata, spec: spec(containers, more) });
  }

  async run(name: string, containers: Container[], more: Partial<Pod["spec"]> = {}): Promise<Pod> {
    await this.create(name, containers, more);
    return this.until("be ready", name, isReady);
  }

  /** Waits until a pod is as wanted, and returns it. */
  until(what: string, name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
    return waitFor(
      `${name} to ${what}`,
      async () => {
        const pod = await this.#pods.get({ namespace: "default", name });
        if (wanted(pod)) return pod;
        throw new Error(JSON.stringify(pod.status));
      },
      patience,
    );
  }

  resize(name: string, resources: ResourceRequirements, list = "containers"): Promise<Pod> {
    const where = { namespace: "default", name, subresource: "resize" };
    const changed = [{ name: "main", resources }];
    return this.#pods.patch(where, "strategic", { spec: { [list]: changed } });
  }

  /** Resizes the pod itself. */
  resizeWhole(name: string, resources: ResourceRequirements): Promise<Pod> {
    const where = { namespace: "default", name, subresource: "resize" };
    return this.#pods.patch(where, "strategic", { spec: { resources } });
  }

  /** Deletes a pod and waits until nothing of it is left. */
  async delete(name: string): Promise<void> {
    const { metadata } = await this.#pods.get({ namespace: "default", name });
    await this.#pods.delete({ namespace: "default", name }, { gracePeriodSeconds: 1 });
    await this.node.untilGone(name, metadata.uid ?? "");
  }

  /** Runs a script in the container `main`. */
  async shell(pod: Pod, script: string): Promise<string> {
    const containerId = statusOf(pod, "main")?.containerID?.split("://")[1] ?? "";
    const cmd = ["sh", "-c", script];
    const { stdout } = await this.node.served.runtime.execSync({ containerId, cmd });
    return stdout.toString().trim();
  }

  /** Returns the limits that the kernel enforces in the container, and on the pod's memory. */
  async limits(pod: Pod): Promise<{ memory: number; quota: number; pod: number | undefined }> {
    const one = async (v1: string, v2: string) =>
      this.shell(pod, `cd /sys/fs/cgroup; cat ${v1} 2>/dev/null || cat ${v2}`);
    const quota = await one("cpu/cpu.cfs_quota_us", "cpu.max");
    const memory = await one("memory/memory.limit_in_bytes", "memory.max");
    const usage = openCgroups().usage(this.#cgroupOf(pod));
    return {
      memory: Number(memory),
      quota: Number(quota.split(" ")[0]),
      pod: usage?.memory.limit_bytes,
    };
  }

  /** Returns the bytes of memory that the runtime has as the pod's. */
  async reportedMemory({ metadata }: Pod): Promise<number> {
    const { runtime } = this.node.served;
    const labelSelector = { "io.kubernetes.pod.uid": metadata.uid ?? "" };
    const { items } = await runtime.listPodSandbox({ filter: { labelSelector } });
    const podSandboxId = items[0]?.id ?? "";
    const { info } = await runtime.podSandboxStatus({ podSandboxId, verbose: true });
    return JSON.parse(info["info"]!).config.linux.resources.memoryLimitInBytes;
  }

  /** Returns the quota of the pod's own cgroup, in microseconds of each period. */
  podQuota(pod: Pod): number {
    const files = readMountInfo().flatMap(({ mountPoint }) =>
      ["cpu.cfs_quota_us", "cpu.max"].map((name) => mountPoint + this.#cgroupOf(pod) + "/" + name),
    );
    const text = readFileSync(files.find(existsSync) ?? "no cgroup", "utf8");
    return Number(text.split(" ")[0]);
  }

  #cgroupOf({ metadata, status }: Pod): string {
    const { qosClass = "" } = status ?? {};
    return `${this.node.host.cgroupParent}/${qosClass.toLowerCase()}/pod${metadata.uid}`;
  }

  /** Waits for events about a pod, and returns the first message of each reason. */
  async events(pod: Pod, reasons: string[]): Promise<string[]> {
    const fieldSelector = `involvedObject.uid=${pod.metadata.uid}`;
    return waitFor(
      `the events ${reasons.join(", ")}`,
      async () => {
        const { items } = await this.#api.plane.admin.resource(EVENTS).list({ fieldSelector });
        const found = reasons.map(
          (reason) => items.find((each) => each.reason === reason)?.message,
        );
        return found.every((message) => message !== undefined) ? found : undefined;
      },
      patience,
    );
  }

  async close(): Promise<void> {
    const { items } = await this.#pods.listAll({ namespace: "default" });
    for (const { metadata } of items) await this.delete(metadata.name ?? "");
    await this.#api.close();
  }
}

/** In-place resize of pods on any CRI runtime, under an API server. */
export function resizeContract(name: string, implementation: Implementation): void {
  describe(`a resize in place on ${name}`, () => {
    let started: ResizeBench | undefined;
    const bench = () => {
      if (!started) throw new Error("the node has not started");
      return started;
    };
    beforeAll(async () => {
      started = new ResizeBench(await startApiNode({}, implementation));
    });
    afterAll(() => started?.close());

    growRules(bench, implementation.knows);
    restartRules(bench);
    wholePodRules(bench);
    refusalRules(bench);
    kubeletRestartRules(bench);
  });
}

function growRules(bench: () => ResizeBench, { podResources }: Implementation["knows"]): void {
  it("grows and shrinks cpu and memory of a running container", async () => {
    const { uid } = (
      await bench().run("grow", [sh("main", SLEEP, { resources: amounts("100m", "32Mi") })])
    ).metadata;
    for (const [cpu, memory] of [
      ["200m", 64],
      ["150m", 48],
    ] as const) {
      await bench().resize("grow", amounts(cpu, `${memory}Mi`));
      const pod = await bench().until("be resized", "grow", isResized);
      expect(statusOf(pod, "main")?.restartCount).toBe(0);
      expect(pod.metadata.uid).toBe(uid);
      const bytes = memory * MI;
      const quota = milliValueOf(cpu) * 100;
      const limits = async () => bench().limits(pod);
      await expect.poll(limits).toEqual({ memory: bytes, quota, pod: bytes });
      if (podResources) await expect.poll(() => bench().reportedMemory(pod)).toBe(bytes);
    }
    const pod = await bench().until("be resized", "grow", isResized);
    const [begun, completed] = await bench().events(pod, ["ResizeStarted", "ResizeCompleted"]);
    expect(begun).toMatch(/^Pod resize started: \{"containers":\[\{"name":"main","resources":\{/);
    expect(completed).toMatch(/^Pod resize completed: .*"generation":2\}$/);
    await bench().delete("grow");
  });
}

function restartRules(bench: () => ResizeBench): void {
  it("restarts a container where its policy asks for it", async () => {
    await bench().run(
      "again",
      [
        sh("main", SLEEP, {
          resources: amounts("100m", "32Mi"),
          resizePolicy: [
            { resourceName: "cpu", restartPolicy: "NotRequired" },
            { resourceName: "memory", restartPolicy: "RestartContainer" },
          ],
        }),
        sh("other", SLEEP, { resources: amounts("10m", "16Mi") }),
      ],
      { restartPolicy: "OnFailure" },
    );
    await bench().resize("again", amounts("200m", "32Mi"));
    const updated = await bench().until("have more cpu", "again", isResized);
    expect(statusOf(updated, "main")?.restartCount).toBe(0);
    await bench().resize("again", amounts("200m", "24Mi"));
    const pod = await bench().until(
      "be restarted",
      "again",
      (one) => isResized(one) && statusOf(one, "main")?.restartCount === 1 && isReady(one),
    );
    expect(statusOf(pod, "other")?.restartCount).toBe(0);
    const limits = async () => bench().limits(pod);
    await expect.poll(limits).toEqual({ memory: 24 * MI, quota: 20_000, pod: 40 * MI });
    await bench().delete("again");
  });

  it.for([
    ["a sidecar", { restartPolicy: "Always" as const }],
    ["an init container that runs", {}],
  ] as const)("updates %s", async ([, more]) => {
    const resources = { requests: { cpu: "10m" }, limits: { memory: "16Mi" } };
    const side = sh("main", SLEEP, { ...more, resources });
    await bench().create("side", [sh("regular", SLEEP)], { initContainers: [side] });
    await bench().until(
      "run",
      "side",
      (one) => statusOf(one, "main")?.state?.running !== undefined,
    );
    const larger = { requests: { cpu: "20m", memory: "16Mi" }, limits: { memory: "32Mi" } };
    await bench().resize("side", larger, "initContainers");
    const pod = await bench().until(
      "be resized",
      "side",
      (one) => statusOf(one, "main")?.resources?.limits?.["memory"] === "32Mi" && isResized(one),
    );
    expect((await bench().limits(pod)).memory).toBe(32 * MI);
    expect(statusOf(pod, "main")?.restartCount).toBe(0);
    await bench().delete("side");
  });
}

function wholePodRules(bench: () => ResizeBench): void {
  const isWhole = (pod: Pod, amount: ResourceRequirements) =>
    isResized(pod) &&
    isDeepStrictEqual(pod.status?.resources, amount) &&
    isDeepStrictEqual(pod.status?.allocatedResources, amount.requests);

  it("limits a pod by its own resources, and grows and shrinks these", async () => {
    const first = amounts("100m", "64Mi");
    const inner = { resources: { requests: { cpu: "20m" }, limits: { cpu: "50m" } } };
    const containers = [sh("main", SLEEP), sh("inner", SLEEP, inner)];
    const { status } = await bench().run("whole", containers, { resources: first });
    expect(status?.qosClass).toBe("Guaranteed");
    for (const [cpu, memory] of [
      ["100m", 64],
      ["300m", 96],
      ["200m", 80],
    ] as const) {
      const wanted = amounts(cpu, `${memory}Mi`);
      await bench().resizeWhole("whole", wanted);
      const pod = await bench().until("be resized", "whole", (one) => isWhole(one, wanted));
      const restarts = pod.status?.containerStatuses?.map(({ restartCount }) => restartCount);
      expect(restarts).toEqual([0, 0]);
      const bytes = memory * MI;
      const quota = milliValueOf(cpu) * 100;
      const limits = async () => bench().limits(pod);
      await expect.poll(limits).toEqual({ memory: bytes, quota, pod: bytes });
      expect(bench().podQuota(pod)).toBe(quota);
    }
    await bench().delete("whole");
  });

  it("kills a container for memory that the pod as a whole may not have", async () => {
    const fill = "dd if=/dev/zero of=/memory/file bs=1M count=48";
    const volumeMounts = [{ name: "memory", mountPath: "/memory" }];
    const volumes = [{ name: "memory", emptyDir: { medium: "Memory" } }];
    await bench().create("greedy", [sh("main", fill, { volumeMounts })], {
      volumes,
      restartPolicy: "Never",
      resources: amounts("200m", "16Mi"),
    });
    const dead = await bench().until(
      "be killed",
      "greedy",
      (one) => statusOf(one, "main")?.state?.terminated !== undefined,
    );
    expect(statusOf(dead, "main")?.state?.terminated?.exitCode).toBe(137);
    await bench().delete("greedy");
  });
}

function refusalRules(bench: () => ResizeBench): void {
  it("is infeasible beyond the node, until the spec goes back", async () => {
    const small = { requests: { cpu: "100m" } };
    await bench().run("huge", [sh("main", SLEEP, { resources: small })]);
    await bench().resize("huge", { requests: { cpu: "1k" } });
    const isPending = (one: Pod) => conditionOf(one, "PodResizePending") !== undefined;
    const pod = await bench().until("be refused", "huge", isPending);
    const capacity = await bench().allocatableCpu_milli();
    expect(conditionOf(pod, "PodResizePending")).toMatchObject({
      status: "True",
      reason: "Infeasible",
      observedGeneration: 2,
      message:
        "Node didn't have enough capacity: cpu, requested: 1000000, " + `capacity: ${capacity}`,
    });
    expect(statusOf(pod, "main")).toMatchObject({
      allocatedResources: small.requests,
      resources: small,
    });
    const [message] = await bench().events(pod, ["ResizeInfeasible"]);
    expect(message).toMatch(/^Pod resize Infeasible: /);
    await bench().resize("huge", small);
    await bench().until("be as before", "huge", isResized);
    await bench().delete("huge");
  });

  it("is deferred while another pod has the resources", async () => {
    const most = (await bench().allocatableCpu_milli()) - 500;
    const taken = { requests: { cpu: `${most}m` } };
    await bench().run("filler", [sh("main", SLEEP, { resources: taken })]);
    await bench().run("waits", [sh("main", SLEEP, { resources: { requests: { cpu: "100m" } } })]);
    await bench().resize("waits", { requests: { cpu: "900m" } });
    const pod = await bench().until(
      "be deferred",
      "waits",
      (one) => conditionOf(one, "PodResizePending")?.reason === "Deferred",
    );
    const used = "Node didn't have enough resource: cpu, requested: 900, used: \\d+, capacity: ";
    expect(conditionOf(pod, "PodResizePending")?.message).toMatch(
      new RegExp(`^${used}${most + 500}$`),
    );
    await bench().delete("filler");
    await bench().until("be resized", "waits", isResized);
    await bench().events(pod, ["ResizeDeferred", "ResizeStarted", "ResizeCompleted"]);
    await bench().delete("waits");
  });
}

function kubeletRestartRules(bench: () => ResizeBench): void {
  const small = amounts("100m", "32Mi");
  const fill = "dd if=/dev/zero of=/memory/file bs=1M count=48 2>/dev/null";

  it("does not lower a limit below the usage; a restarted kubelet goes on with it", async () => {
    const created = await bench().run(
      "used",
      [
        sh("main", SLEEP, {
          resources: amounts("100m", "128Mi"),
          volumeMounts: [{ name: "memory", mountPath: "/memory" }],
        }),
      ],
      { volumes: [{ name: "memory", emptyDir: { medium: "Memory" } }] },
    );
    await bench().shell(created, fill);
    await bench().resize("used", small);
    const failed = (one: Pod) => conditionOf(one, "PodResizeInProgress")?.reason === "Error";
    const pod = await bench().until("be refused", "used", failed);
    expect(conditionOf(pod, "PodResizeInProgress")).toMatchObject({
      status: "True",
      observedGeneration: 2,
      message: expect.stringMatching(
        /^cannot decrease memory limits: \[attempting to set pod memory limit \(33554432\) below/,
      ),
    });
    expect(statusOf(pod, "main")).toMatchObject({
      allocatedResources: small.requests,
      resources: { limits: { memory: "128Mi" } },
    });
    expect((await bench().limits(pod)).memory).toBe(128 * MI);
    await bench().events(pod, ["ResizeStarted", "ResizeError"]);
    await bench().node.stopKubelet();
    await bench().shell(pod, "rm /memory/file");
    await bench().node.startKubelet();
    const after = await bench().until("be resized", "used", isResized);
    expect(statusOf(after, "main")?.containerID).toBe(statusOf(pod, "main")?.containerID);
    expect(await bench().limits(after)).toMatchObject({ memory: 32 * MI, pod: 32 * MI });
    await bench().delete("used");
  });

  it("is carried out by a kubelet that was not there when it was asked for", async () => {
    const before = await bench().run("later", [sh("main", SLEEP, { resources: small })]);
    await bench().node.stopKubelet();
    await bench().resize("later", amounts("200m", "64Mi"));
    await bench().node.startKubelet();
    const pod = await bench().until("be resized", "later", isResized);
    expect(pod.metadata.uid).toBe(before.metadata.uid);
    const { containerID, restartCount } = statusOf(before, "main")!;
    expect(statusOf(pod, "main")).toMatchObject({ containerID, restartCount });
    await expect.poll(async () => (await bench().limits(pod)).memory).toBe(64 * MI);
    await bench().delete("later");
  });
}
