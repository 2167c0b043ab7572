import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmptyDirVolumeSource } from "@raft2kube/api/gen/core/v1.ts";
import { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { emptyDirPlugin } from "./empty-dir.ts";
import { FilesBudget } from "./files.ts";

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
  fsGroup?: number,
  at: string = dir,
): Promise<void> {
  const volume = { name: "v", emptyDir };
  const pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [], volumes: [volume] } };
  const how = { fsGroup, readOnly: false, budget: new FilesBudget() };
  await emptyDirPlugin().setUp({ pod, spec: { name: "v", volume }, dir: at, ...how });
}

test.each(["HugePages", "HugePages-2Mi"])("on %s is refused by name", async (medium) => {
  await expect(setUp({ medium })).rejects.toThrow(`emptyDir medium ${medium} is not supported`);
});

test.runIf(process.getuid?.() === 0).each([
  ["0", 4_096],
  ["1", 4_096],
  ["1Mi", 2 ** 20],
])("in memory has no more room than its limit of %s", async (sizeLimit, most_bytes) => {
  await setUp({ medium: "Memory", sizeLimit });
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
    const first = await Promise.allSettled([setUp(emptyDir, 4_321, at)]);
    expect(first).toHaveLength(1);
    await setUp(emptyDir, 4_321, at);
    expect(statSync(at)).toMatchObject({ mode: 0o042777, gid: 4_321 });
    expect(readdirSync(dir)).toEqual(["v"]);
    // The pod's own changes stay.
    chmodSync(at, 0o1700);
    await setUp(emptyDir, 4_321, at);
    expect(statSync(at).mode).toBe(0o041700);
  },
);
