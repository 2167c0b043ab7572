import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { planCluster, writeCluster } from "../spec/config.ts";
import { lockSlots } from "./slots.ts";

const clock = systemClock();
let dir: string;
let roots: { data: string; run: string };
beforeEach(() => {
  dir = testFolder("r2k-slots-");
  roots = { data: join(dir, "data"), run: join(dir, "run") };
});

async function startNew(name: string): Promise<number> {
  await using _slots = await lockSlots(roots, clock);
  const config = await planCluster(name, roots, {}, []);
  mkdirSync(config.dataDir, { recursive: true });
  await writeCluster(config);
  return config.slot;
}

it("clusters that are started at once get different address ranges", async () => {
  const slots = await Promise.all(["a", "b", "c", "d"].map(startNew));
  expect(slots.sort()).toEqual([0, 1, 2, 3]);
});

it("a start that goes on for too long is named", async () => {
  await using _slots = await lockSlots(roots, clock);
  const second = lockSlots(roots, clock, { wait_ms: 0 });
  await expect(second).rejects.toMatchObject({ code: "BUSY" });
});

it("an interrupt ends the wait", async () => {
  await using _slots = await lockSlots(roots, clock);
  const abort = new AbortController();
  const second = lockSlots(roots, clock, { signal: abort.signal });
  abort.abort(new Error("interrupted"));
  await expect(second).rejects.toThrow("interrupted");
});

it("without a new cluster no folder is left, and the next one may choose", async () => {
  const first = await lockSlots(roots, clock);
  const second = lockSlots(roots, clock);
  await first.release();
  await first.release();
  // It has the lock of the folder that is there now, not of the one that was removed.
  await using _slots = await second;
  expect(existsSync(roots.data)).toBe(true);
  await expect(lockSlots(roots, clock, { wait_ms: 0 })).rejects.toMatchObject({ code: "BUSY" });
});

it("where the folder cannot be made, preflight says why", async () => {
  writeFileSync(roots.data, "");
  await using slots = await lockSlots(roots, clock);
  await slots.release();
});

it("a folder behind a link is locked and stays; a link to nowhere locks nothing", async () => {
  mkdirSync(join(dir, "disk"));
  symlinkSync(join(dir, "disk"), roots.data);
  const first = await lockSlots(roots, clock);
  await expect(lockSlots(roots, clock, { wait_ms: 0 })).rejects.toMatchObject({ code: "BUSY" });
  await first.release();
  rmSync(join(dir, "disk"), { recursive: true });
  await using slots = await lockSlots(roots, clock, { wait_ms: 0 });
  await slots.release();
});
