import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attachmentCache } from "./cache.ts";

test("an attachment whose write was killed leaves nothing once it is deleted", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-cni-cache-"));
  const cache = attachmentCache(dir);
  await cache.put({
    kind: "r2kCniCacheV1",
    ...{ networkName: "net", cniVersion: "1.1.0", containerId: "a", ifName: "eth0", netns: "/x" },
    ...{ plugins: [], args: {}, capabilityArgs: {}, result: { cniVersion: "1.1.0" } },
  });
  writeFileSync(join(dir, "results", "net-a-eth0.new"), "{");
  await cache.delete("net", "a", "eth0");
  expect(readdirSync(join(dir, "results"))).toEqual([]);
  rmSync(dir, { recursive: true });
});
