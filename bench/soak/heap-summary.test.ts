import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeHeapSnapshot } from "node:v8";
import { expect, it } from "vitest";
import { summarizeHeap } from "./heap-summary.ts";

const MIB = 1024 * 1024;

class Hoard {
  readonly blocks = new Map(["first", "second"].map((name) => [name, [Buffer.alloc(4 * MIB, 1)]]));
}

it("memory counts for the class that keeps it, through containers and buffers", () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-heap-"));
  const hoard = new Hoard();
  const shares = summarizeHeap(writeHeapSnapshot(join(dir, "heap.heapsnapshot")));
  rmSync(dir, { recursive: true });
  const own = shares.find(({ name }) => name === Hoard.name);
  expect(own?.bytes).toBeGreaterThan(8 * MIB);
  expect(own?.bytes).toBeLessThan(9 * MIB);
  expect(hoard.blocks.size).toBe(2);
});
