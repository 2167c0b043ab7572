import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { STORAGE_PERIOD_MS } from "../limits.ts";
import { StorageLimits, type StorageLimitsOptions } from "./storage-limits.ts";

const MEBIBYTE = 2 ** 20;

function podOf(namespace: string, spec: Partial<Pod["spec"]>): Pod {
  return { metadata: { namespace, name: namespace, uid: namespace }, spec: spec as Pod["spec"] };
}

/** Limits of pods, of which the layers and volumes of `hangs` are never measured. */
function limitsOf(pods: Pod[], hangs: string, worker: object = { state: "syncing" }) {
  const evicted: string[] = [];
  const asked: string[] = [];
  const clock = new ManualClock();
  const measured = <R>(uid: string, value: R) => {
    asked.push(uid);
    return uid === hangs ? new Promise<R>(() => undefined) : Promise.resolve(value);
  };
  const usedBytes = { value: 2 * MEBIBYTE };
  const limits = new StorageLimits({
    clock,
    runtime: {
      runtime: {
        listContainerStats: ({ filter }: { filter: { labelSelector: Record<string, string> } }) =>
          measured(Object.values(filter.labelSelector)[0]!, {
            stats: [{ attributes: { metadata: { name: "main" } }, writableLayer: { usedBytes } }],
          }),
      },
    },
    paths: { rootDir: "/nowhere", podLogsDir: "/nowhere", containerLogsDir: undefined },
    cgroups: { processes: () => [] },
    workers: { list: () => pods.map((pod) => ({ pod, uid: pod.metadata.uid, ...worker })) },
    volumes: {
      usage: (pod: Pod) =>
        measured(pod.metadata.uid!, { used_bytes: 2 * MEBIBYTE, capacity_bytes: MEBIBYTE }),
    },
    evict: ({ metadata }: Pod) => void evicted.push(metadata.uid!),
  } as unknown as StorageLimitsOptions);
  return { limits, clock, evicted, asked };
}

test.each([
  [
    "a walk of files that lasts",
    { containers: [{ name: "main", resources: { limits: { "ephemeral-storage": "1Mi" } } }] },
  ],
  [
    "a driver that does not answer",
    { containers: [], volumes: [{ name: "data", persistentVolumeClaim: { claimName: "c" } }] },
  ],
])("%s does not keep the limits of others from being enforced", async (_what, spec) => {
  const pods = [podOf("slow", spec), podOf("other", spec)];
  const { limits, clock, evicted, asked } = limitsOf(pods, "slow");
  for (let round = 1; round <= 2; round++) {
    const done = limits.run();
    await expect.poll(() => evicted).toHaveLength(round);
    clock.advance(STORAGE_PERIOD_MS);
    await done;
  }
  expect(evicted).toEqual(["other", "other"]);
  expect(asked.filter((uid) => uid === "slow")).toHaveLength(1);
});

test("a pod that is being stopped has its limits as long as it may go on", async () => {
  const resources = { limits: { "ephemeral-storage": "1Mi" } };
  const pods = [podOf("leaving", { containers: [{ name: "main", resources }] })];
  const evictedWith = async (grace_s: number) => {
    const { limits, evicted } = limitsOf(pods, "", { state: "terminating", grace_s });
    await limits.run();
    return evicted;
  };
  expect(await evictedWith(31_536_000)).toEqual(["leaving"]);
  expect(await evictedWith(1)).toEqual([]);
});
