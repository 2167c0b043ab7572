import { execFileSync } from "node:child_process";
import { join } from "node:path";

const USED = `
  const used = async () => {
    let least = Infinity;
    // Buffers are freed by another thread, and what they held by the collection after it.
    for (let rounds = 0; rounds < 4; rounds++) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
      const { heapUsed, external } = process.memoryUsage();
      if (heapUsed + external < least - 65_536) rounds = 0;
      least = Math.min(least, heapUsed + external);
    }
    return least;
  };
`;

/**
 * Runs a program in a process of its own, and returns the words that it prints. In it, `used()`
 * resolves with the bytes of objects and buffers that are left when the garbage is collected: a
 * long text of a buffer lies outside of the heap.
 */
export function runWithUsed(program: string): string[] {
  const args = ["--expose-gc", "--input-type=module", "--eval", USED + program];
  return execFileSync(process.execPath, args, { encoding: "utf8" }).trim().split(" ");
}

/** Returns the path of a file, as a word of such a program. */
export const word = (folder: string, file: string): string => JSON.stringify(join(folder, file));
