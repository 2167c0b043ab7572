import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { expect, test } from "vitest";
import { DISK_USAGE_TTL_MS, DISK_USAGE_WAIT_MS } from "../limits.ts";
import { DiskUsages } from "./disk-usage.ts";
import type { ContainerRecord } from "./record.ts";
import { containerStatus, statusesOf } from "./status.ts";

const recordOf = (id: string, sandboxId: string) =>
  ({
    id,
    sandboxId,
    createdAt_ms: 1,
    config: {
      metadata: { name: id },
      labels: {},
      annotations: { "io.kubernetes.container.terminationMessagePath": `/log/${id}` },
      mounts: [{ containerPath: "/x" }, { containerPath: "/log/a", hostPath: "/host" }],
    },
    phase: { state: "created" },
    image: {},
    user: {},
    stopSignal: "SIGTERM",
  }) as unknown as ContainerRecord;

test("the statuses that come with an event are those of its sandbox, with the mount of the message", () => {
  const records = [recordOf("a", "s"), recordOf("b", "other"), recordOf("c", "s")];
  const runtime = { containers: { values: () => records } };
  const statuses = statusesOf(runtime as unknown as Parameters<typeof statusesOf>[0], "s");
  expect(statuses.map(({ id, mounts }) => [id, mounts])).toEqual([
    ["a", [{ containerPath: "/log/a", hostPath: "/host" }]],
    ["c", []],
  ]);
  expect(containerStatus(records[0]!).mounts).toHaveLength(2);
});

/** Sizes of directories, of which those named `slow` are measured when the test resolves them. */
function slowly() {
  const clock = new ManualClock();
  const waiting: ((usage: TreeUsage) => void)[] = [];
  const sizes = new DiskUsages(clock, (directory) => {
    if (!directory.startsWith("slow")) return Promise.resolve({ used_bytes: 1, inodes: 1 });
    return new Promise((resolve) => void waiting.push(resolve));
  });
  return { clock, waiting, sizes };
}

test("the files of one namespace, however many, delay the sizes of no other's", async () => {
  const { sizes, waiting } = slowly();
  const own = ["slow/a", "slow/b", "c"].map((directory) => sizes.get(directory, "team-a"));
  expect((await sizes.get("d", "team-b")).used_bytes).toBe(1);
  expect(waiting).toHaveLength(1);
  for (const used_bytes of [7, 8]) {
    waiting.shift()!({ used_bytes, inodes: 1 });
    await nextTurn();
  }
  expect((await Promise.all(own)).map(({ used_bytes }) => used_bytes)).toEqual([7, 8, 1]);
});

test("the statistics of all do not wait for what takes long to measure: its last size counts", async () => {
  const { sizes, waiting, clock } = slowly();
  const soon = async () => {
    const usage = sizes.soon("slow", "team");
    await nextTurn();
    clock.advance(DISK_USAGE_WAIT_MS);
    return await usage;
  };
  expect(await soon()).toBeUndefined();
  waiting.shift()!({ used_bytes: 7, inodes: 1 });
  await nextTurn();
  clock.advance(1_000 * DISK_USAGE_TTL_MS);
  expect((await soon())?.used_bytes).toBe(7);
  expect(waiting).toHaveLength(1);
  sizes.forget("slow");
  waiting.shift()!({ used_bytes: 8, inodes: 1 });
  await nextTurn();
  expect(await soon()).toBeUndefined();
});
