import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmptyDirVolumeSource } from "@raft2kube/api/gen/core/v1.ts";
import { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { emptyDirPlugin } from "./empty-dir.ts";
import { FilesBudget } from "./files.ts";

const NODE_BYTES = 16 * 2 ** 20;
const NODE = {
  allocatable: () => ({ cpu_milli: 1, memory_bytes: NODE_BYTES, ephemeralStorage_bytes: 1 }),
};
type Limits = Record<string, string>;

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "r2k-empty-dir-"))));
afterEach(() => {
  vi.restoreAllMocks();
  unmount(join(dir, "v"));
  unmount(dir);
  rmSync(dir, { recursive: true });
});

async function setUp(
  emptyDir: EmptyDirVolumeSource,
  { fsGroup, at = dir, limits = {} }: { fsGroup?: number; at?: string; limits?: Limits } = {},
): Promise<void> {
  const volume = { name: "v", emptyDir };
  const containers = [{ name: "c", resources: { limits } }];
  const pod = { metadata: { name: "p", uid: "u" }, spec: { containers, volumes: [volume] } };
  const how = { fsGroup, readOnly: false, budget: new FilesBudget() };
  await emptyDirPlugin(NODE).setUp({ pod, spec: { name: "v", volume }, dir: at, ...how });
}

test.each(["HugePages", "HugePages-2Mi"])("on %s is refused by name", async (medium) => {
  await expect(setUp({ medium })).rejects.toThrow(`emptyDir medium ${medium} is not supported`);
});

test.runIf(process.getuid?.() === 0).each([
  ["1", "2Mi", 4_096],
  ["1Mi", "2Mi", 2 ** 20],
  ["4Mi", "2Mi", 2 ** 21],
  // Facts of upstream's TestCalculateEmptyDirMemorySize.
  ["0", "2Mi", 2 ** 21],
  [undefined, "2Mi", 2 ** 21],
  [undefined, undefined, NODE_BYTES],
  ["1Ti", undefined, NODE_BYTES],
])("in memory with a limit of %s, in a pod of %s", async (sizeLimit, memory, most_bytes) => {
  const limits: Limits = memory === undefined ? {} : { memory };
  const emptyDir = sizeLimit === undefined ? {} : { sizeLimit };
  await setUp({ medium: "Memory", ...emptyDir }, { limits });
  const { blocks, bsize } = statfsSync(dir);
  expect(blocks * bsize).toBe(most_bytes);
});

test.runIf(process.getuid?.() === 0).each([{}, { medium: "Memory" }])(
  "is the group's, whatever stopped it the first time: %j",
  async (emptyDir) => {
    const at = join(dir, "v");
    vi.spyOn(Handle.prototype, "chown").mockImplementationOnce(() => {
      throw new Error("stopped");
    });
    const first = await Promise.allSettled([setUp(emptyDir, { fsGroup: 4_321, at })]);
    expect(first).toHaveLength(1);
    await setUp(emptyDir, { fsGroup: 4_321, at });
    expect(statSync(at)).toMatchObject({ mode: 0o042777, gid: 4_321 });
    expect(readdirSync(dir)).toEqual(["v"]);
    // The pod's own changes stay.
    chmodSync(at, 0o1700);
    await setUp(emptyDir, { fsGroup: 4_321, at });
    expect(statSync(at).mode).toBe(0o041700);
  },
);
