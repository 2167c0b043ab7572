import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { PodWorker, type WorkerHooks, type WorkerPorts } from "./worker.ts";

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
  const ports = {
    clock: new ManualClock(),
    runtime: { runtime: runtimeOf(seen.promise, asked.resolve, stopped.resolve) },
    runtimeName: "test",
    events: { record: () => undefined },
    node: { hostIPs: [] },
    allocations: { allocated: (pod: Pod) => pod, before: () => undefined },
  } as unknown as WorkerPorts;
  const hooks = { publish: () => undefined } as unknown as WorkerHooks;
  const worker = new PodWorker(ports, hooks, deleted(30));
  worker.update(deleted(30));
  await asked.promise;
  worker.update(deleted(1));
  seen.resolve();
  expect(await stopped.promise).toBe(1);
  worker.close();
});
