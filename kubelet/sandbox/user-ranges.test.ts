import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { NamespaceMode, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BackOffs } from "../pods/back-off.ts";
import { writeCheckpointFile } from "../pods/checkpoint-file.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import { reclaimPod } from "../sync/reclaim-pod.ts";
import { subordinateIds } from "./subordinate-ids.ts";
import { UserRanges, type UserRangesOptions } from "./user-ranges.ts";

const FIRST = 65_536;
let paths: PodPaths;
beforeEach(() => {
  const rootDir = mkdtempSync(join(tmpdir(), "r2k-users-"));
  paths = { rootDir, podLogsDir: rootDir, containerLogsDir: undefined };
});
afterEach(() => rmSync(paths.rootDir, { recursive: true }));

function podOf(uid: string, hostUsers = false): Pod {
  mkdirSync(join(paths.rootDir, "pods", uid), { recursive: true });
  return { metadata: { name: uid, uid }, spec: { containers: [], hostUsers } };
}

/** A runtime in which each of these pods has a ready sandbox with the range from an id on. */
function runtimeOf(running: Record<string, number>) {
  const items = Object.keys(running).map((id) => ({ id, state: PodSandboxState.SANDBOX_READY }));
  return {
    streamPodSandboxes: () => [{ podSandboxes: items }],
    streamContainers: () => [],
    podSandboxStatus: ({ podSandboxId: uid }: { podSandboxId: string }) => {
      const mapping = { containerId: 0, hostId: running[uid], length: FIRST };
      const usernsOptions = { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };
      const linux = { namespaces: { options: { usernsOptions } } };
      return Promise.resolve({ status: { metadata: { uid }, linux } });
    },
  } as unknown as Parameters<typeof UserRanges.open>[2];
}

const open = (
  pods = 2,
  running: Record<string, number> = {},
  others: UserRangesOptions["others"] = [],
) => UserRanges.open(paths, { first: FIRST, pods, others }, runtimeOf(running));
const firstOf = (ranges: UserRanges, pod: Pod) => ranges.of(pod)?.uids?.[0]?.hostId;

test("each pod has a range of its own, until it has stopped", async () => {
  const ranges = await open();
  const [a, b, c] = ["a", "b", "c"].map((uid) => podOf(uid));
  await ranges.allocate(a!);
  await ranges.allocate(b!);
  await ranges.allocate(a!);
  expect([a!, b!].map((pod) => firstOf(ranges, pod))).toEqual([FIRST, 2 * FIRST]);
  await expect(ranges.allocate(c!)).rejects.toThrow("all 2 ranges of users");
  await ranges.release("a");
  await ranges.allocate(c!);
  expect(firstOf(ranges, c!)).toBe(FIRST);
});

test("a pod has no ids that a user of the machine may take", async () => {
  const file = (name: string, text: string) => writeFileSync(join(paths.rootDir, name), text);
  file("subuid", "kubelet:65536:65536\nuser:100000:65536\n# none\n");
  file("subgid", `other:${4 * FIRST}:1\n`);
  const others = await subordinateIds(paths.rootDir);
  expect(others).toEqual([
    { hostId: 100_000, length: FIRST },
    { hostId: 4 * FIRST, length: 1 },
  ]);
  expect(await subordinateIds(join(paths.rootDir, "absent"))).toEqual([]);
  const ranges = await open(5, {}, others);
  const [a, b, c] = ["a", "b", "c"].map((uid) => podOf(uid));
  await ranges.allocate(a!);
  await ranges.allocate(b!);
  expect([a!, b!].map((pod) => firstOf(ranges, pod))).toEqual([3 * FIRST, 5 * FIRST]);
  await expect(ranges.allocate(c!)).rejects.toThrow("all 5 ranges of users");
});

test("a pod more than there are ranges starts when others have ended, but exist", async () => {
  const ranges = await open(3);
  const ports = {
    users: ranges,
    volumes: { tearDown: async () => undefined },
    cgroups: { remove: async () => undefined },
    devices: { release: async () => undefined },
    images: { forget: () => undefined },
    restartBackOff: new BackOffs({ clock: new ManualClock(), first_ms: 1, most_ms: 1 }),
    releaseNetwork: () => undefined,
  };
  for (const uid of ["a", "b", "c", "d"]) {
    const pod = podOf(uid);
    await ranges.allocate(pod);
    await reclaimPod(ports, pod);
    await reclaimPod(ports, pod);
    expect(existsSync(join(paths.rootDir, "pods", uid, "userns"))).toBe(false);
    expect(() => ranges.of(pod)).toThrow("has no range");
  }
  const restarted = await open(1);
  await restarted.allocate(podOf("e"));
});

test("the range of a pod whose directory is gone is released", async () => {
  const ranges = await open(1);
  await ranges.allocate(podOf("a"));
  rmSync(join(paths.rootDir, "pods", "a"), { recursive: true });
  await ranges.release("a");
  await ranges.allocate(podOf("b"));
});

test("a restarted kubelet knows the ranges of the pods whose directories are there", async () => {
  const before = await open();
  const [a, b] = [podOf("a"), podOf("b")];
  await before.allocate(a);
  await before.allocate(b);
  rmSync(join(paths.rootDir, "pods", "a"), { recursive: true });
  const after = await open();
  expect(firstOf(after, b)).toBe(2 * FIRST);
  expect(() => after.of(a)).toThrow("the pod has no range of users");
  const c = podOf("c");
  await after.allocate(c);
  expect(firstOf(after, c)).toBe(FIRST);
});

test("a pod with the node's users has none", async () => {
  const ranges = await open();
  const pod = podOf("a", true);
  await ranges.allocate(pod);
  expect(ranges.of(pod)).toBeUndefined();
});

test("what a running pod has is given to no other, though its directory is lost", async () => {
  const ranges = await open(2, { lost: FIRST });
  const [a, b] = [podOf("a"), podOf("b")];
  await ranges.allocate(a);
  expect(firstOf(ranges, a)).toBe(2 * FIRST);
  await expect(ranges.allocate(b)).rejects.toThrow("all 2 ranges");
  await expect(ranges.allocate(podOf("lost"))).rejects.toThrow("is not in its directory");
  await ranges.release("lost");
  await ranges.allocate(b);
  expect(firstOf(ranges, b)).toBe(FIRST);
});

const stored = (uid: string) => join(paths.rootDir, "pods", uid, "userns");
const mapping = { hostId: FIRST, containerId: 0, length: FIRST };

test.each([
  ["{", "is damaged"],
  [JSON.stringify({ uidMappings: [mapping], gidMappings: [mapping] }), "is damaged"],
])("a range on disk that is %s is an error of its pod alone", async (text, why) => {
  const [a, b] = [podOf("a"), podOf("b")];
  writeFileSync(stored("a"), text);
  const ranges = await open(1);
  await expect(ranges.allocate(a)).rejects.toThrow(why);
  expect(() => ranges.of(a)).toThrow(why);
  await ranges.allocate(b);
});

test.each([
  { hostId: 0, length: FIRST },
  { hostId: FIRST + 1, length: FIRST },
  { hostId: FIRST, length: 1 },
  { hostId: 2 ** 32, length: FIRST },
  { hostId: "65536", length: FIRST },
  {},
])("%j on disk is no range of a pod", async (range) => {
  const pod = podOf("a");
  await writeCheckpointFile(stored("a"), range);
  await expect((await open()).allocate(pod)).rejects.toThrow("has no range of 65536 users");
});

test("of two pods with the same range the one that runs with it has it", async () => {
  const [a, b] = [podOf("a"), podOf("b")];
  for (const uid of ["a", "b"]) {
    await writeCheckpointFile(stored(uid), { hostId: FIRST, length: FIRST });
  }
  const ranges = await open(2, { b: FIRST });
  expect(firstOf(ranges, b)).toBe(FIRST);
  expect(() => ranges.of(a)).toThrow("has users of the pod b");
  const idle = await open(2);
  for (const pod of [a, b]) await expect(idle.allocate(pod)).rejects.toThrow("has users of");
});

test("a range that cannot be written is not given", async () => {
  const ranges = await open();
  const pod = podOf("a");
  rmSync(join(paths.rootDir, "pods", "a"), { recursive: true });
  writeFileSync(join(paths.rootDir, "pods", "a"), "");
  await expect(ranges.allocate(pod)).rejects.toThrow("EEXIST");
  expect(() => ranges.of(pod)).toThrow("has no range");
});

test.each([
  [0, 2],
  [65_537, 1],
  [2 ** 32 - FIRST, 1],
])("ids from %i on for %i pods are refused", async (first, pods) => {
  await expect(UserRanges.open(paths, { first, pods, others: [] }, runtimeOf({}))).rejects.toThrow(
    "above the node's",
  );
});
