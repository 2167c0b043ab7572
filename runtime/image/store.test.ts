import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildDemoImages } from "../build/demo-images.ts";
import { loadArchive, saveArchive } from "./archive.ts";
import { ImageStore } from "./store.ts";

let base: string;
let inUse: string[];
const open = async (name: string) => {
  const store = new ImageStore(path.join(base, name), () => inUse);
  await store.open();
  return store;
};
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), "r2k-images-"));
  inUse = [];
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const programs = { busybox: "/bin/busybox", init: "/usr/bin/catatonit" };

describe.runIf(process.getuid?.() === 0)("the image store", () => {
  test("demo images are built once and survive a restart", async () => {
    const store = await open("a");
    expect(await buildDemoImages(store, programs)).toHaveLength(3);
    expect(await buildDemoImages(store, programs)).toEqual([]);
    const again = await open("a");
    const image = again.get("r2k.local/busybox:1");
    expect(again.get(image.id).repoTags).toEqual(["r2k.local/busybox:1"]);
    expect(again.get(image.repoDigests[0]!).id).toBe(image.id);
    const [lower] = again.lowerDirectories(image);
    expect(existsSync(path.join(lower!, "bin/busybox"))).toBe(true);
    expect(readdirSync(path.join(lower!, "usr/bin")).length).toBeGreaterThan(50);
    expect(() => again.get("r2k.local/none:1")).toThrow(/not found/);
  });

  test("an image leaves as an archive and comes back with the same digest", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const other = await open("b");
    expect(await loadArchive(other, await saveArchive(store, "r2k.local/web:1"))).toEqual([
      "r2k.local/web:1",
    ]);
    expect(other.get("r2k.local/web:1").id).toBe(store.get("r2k.local/web:1").id);
  });

  test("removing an image keeps layers that a container stands on", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const web = store.get("r2k.local/web:1");
    const [folder] = store.lowerDirectories(web);
    inUse = web.config.rootfs.diff_ids;
    await store.remove("r2k.local/web:1");
    expect(store.find("r2k.local/web:1")).toBeUndefined();
    expect(existsSync(folder!)).toBe(true);
    inUse = [];
    await store.remove("r2k.local/web:2");
    expect(existsSync(folder!)).toBe(false);
    expect(store.list().map((image) => image.repoTags)).toEqual([["r2k.local/busybox:1"]]);
  });
});
