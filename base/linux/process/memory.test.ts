import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

/** Frees 40 MB in small pieces beneath one that lives, and prints by how much less it has then. */
const PROGRAM = `
  import { returnFreedMemory } from ${JSON.stringify(join(import.meta.dirname, "memory.ts"))};
  let blocks = Array.from({ length: 40_000 }, () => Buffer.alloc(1_000, 1));
  const last = blocks.at(-1);
  blocks = undefined;
  // V8 frees them in another thread, some time after it has found them.
  while (process.memoryUsage().arrayBuffers > 4e6) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const before = process.memoryUsage.rss();
  returnFreedMemory();
  console.log(before - process.memoryUsage.rss(), last.length);
`;

it("gives freed memory back to the kernel", () => {
  const args = ["--expose-gc", "--input-type=module", "--eval", PROGRAM];
  const [returned_bytes] = execFileSync(process.execPath, args, { encoding: "utf8" }).split(" ");
  expect(Number(returned_bytes)).toBeGreaterThan(20 << 20);
});

/** Prints how much of Node's own code and constants is in memory, before and after. */
const CODE_PROGRAM = `
  import { readFileSync } from "node:fs";
  import { returnUnusedCode } from ${JSON.stringify(join(import.meta.dirname, "memory.ts"))};
  const resident_kib = () => {
    const maps = readFileSync("/proc/self/smaps", "latin1").split(/^(?=[0-9a-f]+-)/m);
    const own = maps.filter((map) => / r-[x-]p .*\\/node\\n/.test(map));
    return own.reduce((sum, map) => sum + Number(/^Rss: +(\\d+)/m.exec(map)[1]), 0);
  };
  const before = resident_kib();
  returnUnusedCode();
  console.log(before, resident_kib());
`;

it("takes code and constants that are not used out of memory, and goes on", () => {
  const args = ["--input-type=module", "--eval", CODE_PROGRAM];
  const said = execFileSync(process.execPath, args, { encoding: "utf8" });
  const [before_kib, after_kib] = said.split(" ").map(Number);
  expect(before_kib).toBeGreaterThan(8 << 10);
  expect(after_kib).toBeLessThan(before_kib! / 2);
});
