import { readFile } from "node:fs/promises";
import os from "node:os";
import { filesystemSpace, type FilesystemSpace, memoryAvailable_bytes } from "./machine.ts";

/** What the whole machine uses. */
export interface NodeUsage {
  cpu_ns: number;
  workingSet_bytes: number;
  memoryAvailable_bytes: number;
  fs: FilesystemSpace;
}

/** Nanoseconds of a kernel tick; USER_HZ is 100 on every architecture we run on. */
const TICK_NS = 10_000_000;

/** The machine's usage now; `rootDir` names the file system that pods write to. */
export async function nodeUsage(rootDir: string): Promise<NodeUsage> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
  // user nice system idle iowait irq softirq steal: all but idle and iowait is work.
  const ticks = line.split(/\s+/).map(Number);
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks;
  const available = await memoryAvailable_bytes();
  return {
    cpu_ns: (user + nice + system + irq + softirq) * TICK_NS,
    workingSet_bytes: os.totalmem() - available,
    memoryAvailable_bytes: available,
    fs: await filesystemSpace(rootDir),
  };
}
