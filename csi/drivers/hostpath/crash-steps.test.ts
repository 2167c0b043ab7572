import { AsyncLocalStorage } from "node:async_hooks";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import path from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { deleteVolume, type HostPathDriver, makeVolume, openDriver } from "./driver.ts";
import { withVolume } from "./state.ts";

/** File system calls that a process makes before it dies: later ones never return. */
interface Life {
  left: number;
  died: () => void;
  /** Files that it had open, which the kernel closes. */
  files: fs.FileHandle[];
}

const life = new AsyncLocalStorage<Life>();
const STEPS = ["mkdir", "open", "rename", "rm", "unlink", "writeFile", "lstat"] as const;
const HANDLE_STEPS = ["chmod", "truncate", "sync", "writeFile", "close", "stat"] as const;
type Step = (...args: unknown[]) => Promise<unknown>;
const originals: { of: Record<string, Step>; name: string; step: Step }[] = [];

function interrupt(of: Record<string, Step>, names: readonly string[]): void {
  for (const name of names) {
    const step = of[name]!;
    originals.push({ of, name, step });
    of[name] = function (this: unknown, ...args: unknown[]) {
      const current = life.getStore();
      if (!current) return step.apply(this, args);
      if (current.left-- > 0) return remember(current, step.apply(this, args), name);
      current.died();
      // A torn write: half of the data is written.
      const torn = name === "writeFile" && typeof args[0] === "string" && of !== (fs as never);
      const text = torn ? (args[0] as string) : "";
      const done = torn ? step.call(this, text.slice(0, text.length / 2)) : Promise.resolve();
      return done.then(() => new Promise(() => {}));
    };
  }
}

async function remember(current: Life, done: Promise<unknown>, name: string): Promise<unknown> {
  const result = await done;
  if (name === "open") current.files.push(result as fs.FileHandle);
  return result;
}

beforeAll(async () => {
  const handle = await fs.open(os.tmpdir(), "r");
  const prototype = Object.getPrototypeOf(handle) as Record<string, Step>;
  await handle.close();
  interrupt(fs as unknown as Record<string, Step>, STEPS);
  interrupt(prototype, HANDLE_STEPS);
  syncBuiltinESMExports();
});
afterAll(() => {
  for (const { of, name, step } of originals) of[name] = step;
  syncBuiltinESMExports();
});

const MIB = 1024 ** 2;
const place = { topologyKey: "topology.d/node", nodeId: "n" };
const open = (dataDir: string) => openDriver({ dataDir, place, clock: systemClock() });
const volume = (id: string) => ({
  id,
  name: id,
  capacity_bytes: MIB,
  block: true,
  ephemeral: false,
});

/** Sizes of the volumes that callers know of; undefined while a call is under way. */
type Acknowledged = Map<string, number | "gone" | undefined>;

/** A driver's work: volumes made, copied, grown and deleted, each recorded in `acknowledged`. */
async function work(dataDir: string, acknowledged: Acknowledged): Promise<void> {
  const driver = await open(dataDir);
  const step = async (id: string, result: number | "gone", done: () => Promise<void>) => {
    acknowledged.set(id, undefined);
    await done();
    acknowledged.set(id, result);
  };
  await step("a", MIB, () => makeVolume(driver, volume("a")));
  const source = { kind: "volume", id: "a" } as const;
  await step("b", MIB, () => makeVolume(driver, { ...volume("b"), source }));
  await step("a", 2 * MIB, () => grow(driver, "a"));
  await step("b", "gone", () => deleteVolume(driver, "b"));
}

async function grow(driver: HostPathDriver, id: string): Promise<void> {
  await driver.contents.growBlock(id, 2 * MIB);
  const grown = { ...volume(id), capacity_bytes: 2 * MIB };
  await driver.state.change((current) => withVolume(current, grown));
}

/** Runs the work until it dies at the given call. Returns whether it did. */
async function dieAt(call: number, dataDir: string, acknowledged: Acknowledged): Promise<boolean> {
  const files: fs.FileHandle[] = [];
  const hasDied = await new Promise<boolean>((resolve, reject) => {
    const ended = { left: call, died: () => resolve(true), files };
    life.run(ended, () => work(dataDir, acknowledged)).then(() => resolve(false), reject);
  });
  await Promise.all(files.map((file) => file.close()));
  return hasDied;
}

it("killed at each of its file system calls, the driver keeps what it acknowledged", async () => {
  let call = 0;
  for (let died = true; died; call++) {
    const dataDir = await fs.mkdtemp(path.join(os.tmpdir(), "r2k-steps-"));
    const acknowledged: Acknowledged = new Map();
    died = await dieAt(call, dataDir, acknowledged);
    const driver = await open(dataDir);
    const { state, contents } = driver;
    const context = `after ${call} calls`;
    const { volumes } = state.current;
    for (const [id, size] of acknowledged) {
      if (size === "gone") expect(volumes[id], context).toBeUndefined();
      else if (size !== undefined) expect(volumes[id]?.capacity_bytes, context).toBe(size);
    }
    for (const { id, capacity_bytes } of Object.values(volumes)) {
      const { size } = await fs.stat(contents.pathOf("volumes", id));
      expect(size, context).toBeGreaterThanOrEqual(capacity_bytes);
    }
    const onDisk = await fs.readdir(path.join(dataDir, "volumes"));
    expect(onDisk.sort(), context).toEqual(Object.keys(volumes).sort());
    for (const id of onDisk) await deleteVolume(driver, id);
    expect(await fs.readdir(path.join(dataDir, "volumes")), context).toEqual([]);
    await fs.rm(dataDir, { recursive: true });
  }
  expect(call).toBeGreaterThan(40);
});
