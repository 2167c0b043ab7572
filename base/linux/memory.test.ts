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
