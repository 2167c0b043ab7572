import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmptyDirVolumeSource } from "@raft2kube/api/gen/core/v1.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { emptyDirPlugin } from "./empty-dir.ts";
import { FilesBudget } from "./files.ts";

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "r2k-empty-dir-"))));
afterEach(() => {
  unmount(dir);
  rmSync(dir, { recursive: true });
});

async function setUp(emptyDir: EmptyDirVolumeSource): Promise<void> {
  const volume = { name: "v", emptyDir };
  const pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [], volumes: [volume] } };
  const how = { fsGroup: undefined, readOnly: false, budget: new FilesBudget() };
  await emptyDirPlugin().setUp({ pod, spec: { name: "v", volume }, dir, ...how });
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
