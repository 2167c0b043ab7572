import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { type ClassShare, summarizeHeap } from "./heap-summary.ts";

const MIB = 1024 * 1024;

/** A program of its own: a snapshot of the runner's heap takes ten times as long. */
const PROGRAM = `
  class Hoard {
    blocks = new Map(["first", "second"].map((name) => [name, [Buffer.alloc(4 * ${MIB}, 1)]]));
  }
  const hoard = new Hoard();
  require("node:v8").writeHeapSnapshot(process.argv[1]);
  console.log(hoard.blocks.size);
`;

it("memory counts for the class that keeps it, through containers and buffers", () => {
  const dir = testFolder("r2k-heap-");
  const file = join(dir, "heap.heapsnapshot");
  let shares: readonly ClassShare[];
  const printed = execFileSync(process.execPath, ["--eval", PROGRAM, file], { encoding: "utf8" });
  expect(printed).toBe("2\n");
  shares = summarizeHeap(file);
  const own = shares.find(({ name }) => name === "Hoard");
  expect(own?.bytes).toBeGreaterThan(8 * MIB);
  expect(own?.bytes).toBeLessThan(9 * MIB);
});
