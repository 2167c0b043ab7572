import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unmount } from "@raft2kube/linux/mount.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { emptyDirPlugin } from "./empty-dir.ts";
import { FilesBudget } from "./files.ts";

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "r2k-empty-dir-"))));
afterEach(() => {
  unmount(dir);
  rmSync(dir, { recursive: true });
});

test.runIf(process.getuid?.() === 0).each([
  ["0", 4_096], ["1", 4_096], ["1Mi", 2 ** 20],
])("in memory has no more room than its limit of %s", async (sizeLimit, most_bytes) => {
  const volume = { name: "v", emptyDir: { medium: "Memory", sizeLimit } };
  const pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [], volumes: [volume] } };
  const spec = { name: "v", volume };
  const budget = new FilesBudget();
  const request = { pod, spec, dir, fsGroup: undefined, readOnly: false, budget };
  await emptyDirPlugin().setUp(request);
  const { blocks, bsize } = statfsSync(dir);
  expect(blocks * bsize).toBe(most_bytes);
});
