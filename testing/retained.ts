import { execFileSync } from "node:child_process";
import { join } from "node:path";

const USED = `
  const used = async () => {
    for (let i = 0; i < 4; i++) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
`;

/**
 * Runs a program in a process of its own, and returns the words that it prints. In it, `used()`
 * resolves with the bytes of objects and buffers that are left when the garbage is collected: a
 * long text of a buffer lies outside of the heap. Modules that are first loaded between two calls
 * count, with their compiled code.
 */
export function runWithUsed(program: string): string[] {
  const args = ["--expose-gc", "--input-type=module", "--eval", USED + program];
  return execFileSync(process.execPath, args, { encoding: "utf8" }).trim().split(" ");
}

/** Returns the path of a file, as a word of such a program. */
export const word = (folder: string, file: string): string => JSON.stringify(join(folder, file));
