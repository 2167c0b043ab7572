import { chmodSync, readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { EmptyDirVolumeSource } from "@raft2kube/api/gen/core/v1.ts";
import { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { emptyDirPlugin } from "./empty-dir.ts";
import { FilesBudget } from "./files.ts";

const MEMORY_BYTES = 2 * 2 ** 20;

let dir: string;
beforeEach(() => (dir = testFolder("r2k-empty-dir-")));
afterEach(() => {
  vi.restoreAllMocks();
  unmount(join(dir, "v"));
  unmount(dir);
});

async function setUp(
  emptyDir: EmptyDirVolumeSource,
  { fsGroup, at = dir }: { fsGroup?: number; at?: string } = {},
): Promise<void> {
  const volume = { name: "v", emptyDir };
  const pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [], volumes: [volume] } };
  const how = { fsGroup, readOnly: false, budget: new FilesBudget() };
  await emptyDirPlugin(() => MEMORY_BYTES).setUp({
    pod,
    spec: { name: "v", volume },
    dir: at,
    ...how,
  });
}

test.each(["HugePages", "HugePages-2Mi"])("on %s is refused by name", async (medium) => {
  await expect(setUp({ medium })).rejects.toThrow(`emptyDir medium ${medium} is not supported`);
});

test.runIf(process.getuid?.() === 0).each([
  ["1", 4_096],
  ["1Mi", 2 ** 20],
  // As upstream: 0 is no limit, and the pod's memory is one.
  ["0", MEMORY_BYTES],
  [undefined, MEMORY_BYTES],
  ["1Ti", MEMORY_BYTES],
])("in memory with a limit of %s has no more room than the pod's memory", async (limit, most) => {
  await setUp({ medium: "Memory", ...(limit !== undefined && { sizeLimit: limit }) });
  const { blocks, bsize } = statfsSync(dir);
  expect(blocks * bsize).toBe(most);
});

test.runIf(process.getuid?.() === 0).each([
  [{}, 0o042777],
  // As upstream, who keeps tmpfs's own mode: users do not remove each other's files.
  [{ medium: "Memory" }, 0o043777],
])("is the group's, whatever stopped it the first time: %j", async (emptyDir, mode) => {
  const at = join(dir, "v");
  vi.spyOn(Handle.prototype, "chown").mockImplementationOnce(() => {
    throw new Error("stopped");
  });
  const first = await Promise.allSettled([setUp(emptyDir, { fsGroup: 4_321, at })]);
  expect(first).toHaveLength(1);
  await setUp(emptyDir, { fsGroup: 4_321, at });
  expect(statSync(at)).toMatchObject({ mode, gid: 4_321 });
  expect(readdirSync(dir)).toEqual(["v"]);
  // The pod's own changes stay.
  chmodSync(at, 0o1700);
  await setUp(emptyDir, { fsGroup: 4_321, at });
  expect(statSync(at).mode).toBe(0o041700);
});
