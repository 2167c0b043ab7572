import { tmpdir } from "node:os";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { EVICTED_LEAVES_MS, EVICTION_MEASURE_MS, FREEING_MS } from "../limits.ts";
import { PressureConditions } from "../node/pressure.ts";
import type { PodWorker } from "../sync/worker.ts";
import { Evictions, type EvictionsOptions } from "./evictions.ts";

const ENOUGH = {
  memoryAvailable_bytes: 0,
  nodefsAvailable: 0,
  nodefsInodesFree: 0,
  imagefsAvailable: 0,
  pidAvailable: 0,
};

class CountedClock extends ManualClock {
  timers = 0;

  override after(delay_ms: number, fn: () => void) {
    this.timers++;
    return super.after(delay_ms, fn);
  }
}

/** Evictions on a disk without any space left, until `enough` is called; two pods run. */
function fullNode(
  removeEnded: (enough: () => void) => void | Promise<void>,
  stats: (uid: string) => Promise<void> = async () => undefined,
  uids = ["a", "b"],
  sockets_bytes: Readonly<Record<string, number>> = {},
) {
  const [did, thresholds] = [[] as string[], { ...ENOUGH, nodefsAvailable: 1_000 }];
  const workers = uids.map((uid) => ({
    uid,
    state: "syncing",
    grace_s: 1,
    reclaimed: false,
    allocated: {
      metadata: { uid, name: uid, namespace: "n" },
      spec: { containers: [{ name: "main" }] },
    } as Pod,
  }));
  const events: string[] = [];
  const clock = new CountedClock();
  const evictions = new Evictions({
    clock,
    runtime: {
      images: { imageFsInfo: async () => ({ imageFilesystems: [] }) },
      runtime: {
        async listContainerStats({ filter }: { filter: { labelSelector: object } }) {
          await stats(Object.values(filter.labelSelector)[0]);
          return { stats: [] };
        },
      },
    },
    workers: {
      list: () => workers as unknown as PodWorker[],
      get: (uid: string) => workers.find((one) => one.uid === uid),
      end(uid: string) {
        did.push(`evict ${uid}`);
        workers.find((one) => one.uid === uid)!.state = "terminating";
      },
    },
    pressure: new PressureConditions(clock),
    cgroups: { usage: () => undefined, processes: () => [] },
    events: { record: (pod: Pod) => void events.push(pod.metadata.uid!) },
    rootDir: tmpdir(),
    paths: { rootDir: "/nowhere", podLogsDir: "/nowhere", containerLogsDir: undefined },
    thresholds,
    async removeEnded() {
      did.push("remove ended");
      await removeEnded(() => Object.assign(thresholds, ENOUGH));
    },
    freeDisk: async () => void did.push("free disk"),
    changed: () => undefined,
    async measureSockets({ metadata }: Pod) {
      return { tcp_bytes: 0, other_bytes: sockets_bytes[metadata.uid!] ?? 0 };
    },
  } as unknown as EvictionsOptions);
  return { evictions, workers, did, clock, thresholds, events };
}

test("no pod is evicted where ended pods' files are enough", async () => {
  const { evictions, did } = fullNode((enough) => enough());
  await evictions.run("disk");
  expect(did).toEqual(["remove ended"]);
});

test("no other pod is evicted before the last one is reclaimed and its files are removed", async () => {
  const { evictions, workers, did } = fullNode(
    (enough) => void (workers[0]!.reclaimed && enough()),
  );
  await evictions.run("disk");
  expect(did).toEqual(["remove ended", "evict a"]);
  for (const state of ["terminating", "terminated"]) {
    workers[0]!.state = state;
    await evictions.run("disk");
  }
  expect(did).toEqual(["remove ended", "evict a"]);
  workers[0]!.reclaimed = true;
  await evictions.run("disk");
  expect(did).toEqual(["remove ended", "evict a", "remove ended"]);
});

test("a pod that its author gave a long time to end is evicted as others are, once", async () => {
  const { evictions, workers, did } = fullNode(() => undefined);
  Object.assign(workers[0]!, { state: "terminating", grace_s: 31_536_000 });
  workers.pop();
  await evictions.run("disk");
  expect(did).toEqual(["remove ended", "evict a"]);
  workers[0]!.grace_s = 1;
  evictions.evict(workers[0]!.allocated, "again");
  expect(did).toEqual(["remove ended", "evict a"]);
});

test("a pod that does not leave in time does not keep another from being evicted", async () => {
  const { evictions, workers, did, clock } = fullNode(() => undefined);
  await evictions.run("disk");
  workers[0]!.state = "terminated";
  clock.advance(EVICTED_LEAVES_MS);
  await evictions.run("disk");
  expect(did).toEqual(["remove ended", "evict a", "remove ended", "evict b"]);
});

test("a removal that takes long or fails does not keep a pod from being evicted", async () => {
  const removing = Promise.withResolvers<void>();
  const { evictions, workers, did, clock } = fullNode(() => removing.promise);
  const first = evictions.run("disk");
  await waitFor("the removal", () => clock.timers === 1);
  clock.advance(FREEING_MS);
  await first;
  workers[0]!.reclaimed = true;
  // It is still under way, and another one is not started.
  const second = evictions.run("disk");
  await waitFor("the next pass", () => clock.timers === 3);
  removing.reject(new Error("busy"));
  await second;
  expect(did).toEqual(["remove ended", "evict a", "evict b"]);
});

test("memory and processes do not wait for a removal", async () => {
  const { evictions, did, thresholds } = fullNode(() => new Promise(() => undefined));
  thresholds.memoryAvailable_bytes = Infinity;
  void evictions.run("disk");
  await evictions.run("memory and processes");
  expect(did).toContain("evict a");
});

test("buffers of sockets, which no cgroup counts, are memory of the pod that is evicted", async () => {
  const none = async () => undefined;
  const { evictions, did, thresholds } = fullNode(() => undefined, none, ["a", "b"], { b: 1 });
  thresholds.memoryAvailable_bytes = Infinity;
  await evictions.run("memory and processes");
  expect(did).toEqual(["evict b"]);
});

test("a pod that ended or was evicted while it was measured is not evicted, and has no event", () => {
  const { evictions, workers, did, events } = fullNode(() => undefined);
  const { allocated } = workers[0]!;
  workers[1]!.state = "terminated";
  evictions.evict(workers[1]!.allocated, "a volume");
  for (const message of ["files", "a volume"]) evictions.evict(allocated, message);
  evictions.evict({ ...allocated, metadata: { uid: "removed" } }, "files");
  expect([did, events]).toEqual([["evict a"], ["a"]]);
});

test.each([
  ["and none that is measured", "slow", 0.1, "c"],
  ["and none of its namespace that is measured", "n", 0.1, "c"],
  ["but for pods of a namespace that took longer together", "slow", 0.3, "a"],
])("a pod whose files take long to measure is evicted, %s", async (_, namespace, part, victim) => {
  const measuring = Promise.withResolvers<void>();
  const { evictions, workers, did, clock } = fullNode(
    () => undefined,
    async (uid) => {
      if (uid !== "c") return clock.advance(EVICTION_MEASURE_MS * part);
      measuring.resolve();
      await new Promise(() => undefined);
    },
    ["a", "b", "c"],
  );
  workers[2]!.allocated.metadata.namespace = namespace;
  const run = evictions.run("disk");
  await measuring.promise;
  clock.advance(EVICTION_MEASURE_MS * (1 - 2 * part));
  await run;
  expect(did).toEqual(["remove ended", `evict ${victim}`]);
});

test("a critical pod that takes long to measure does not keep another from being evicted", async () => {
  const { evictions, workers, did, clock } = fullNode(
    () => undefined,
    async (uid) => {
      if (uid !== "a") return;
      clock.advance(EVICTION_MEASURE_MS);
      await new Promise(() => undefined);
    },
  );
  workers[0]!.allocated.metadata.namespace = "system";
  workers[0]!.allocated.spec.priority = 2_000_001_000;
  await evictions.run("disk");
  expect(did).toEqual(["remove ended", "evict b"]);
});
