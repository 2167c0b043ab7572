import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { attachmentCache, type CachedAttachment } from "./cache.ts";

const attachment = (containerId: string): CachedAttachment => ({
  kind: "r2kCniCacheV1",
  ...{ networkName: "net", cniVersion: "1.1.0", containerId, ifName: "eth0", netns: "/x" },
  ...{ plugins: [], args: {}, capabilityArgs: {}, result: { cniVersion: "1.1.0" } },
});

test("an attachment that a loss of power cut short is none, and hides no other", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-cni-cache-"));
  const cache = attachmentCache(dir);
  for (const id of ["a", "b"]) await cache.put(attachment(id));
  writeFileSync(join(dir, "results", "net-a-eth0"), "");
  expect(await cache.get("net", "a", "eth0")).toBe(undefined);
  expect(await cache.list("net")).toEqual([attachment("b")]);
  rmSync(dir, { recursive: true });
});

test("an attachment whose write was killed leaves nothing once it is deleted", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-cni-cache-"));
  const cache = attachmentCache(dir);
  await cache.put(attachment("a"));
  writeFileSync(join(dir, "results", "net-a-eth0.new"), "{");
  await cache.delete("net", "a", "eth0");
  expect(readdirSync(join(dir, "results"))).toEqual([]);
  rmSync(dir, { recursive: true });
});
