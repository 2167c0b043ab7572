import { asError } from "@raft2kube/std/errors.ts";
import { printable } from "@raft2kube/std/printable.ts";

/** Handles several items; a failure of one ends no other, and the command fails. */
export async function each<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: Error[] = [];
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      failures.push(asError(error));
    }
  }
  const [last] = failures;
  for (const { message } of failures.slice(0, -1)) {
    process.stderr.write(`r2k: ${printable(message)}\n`);
  }
  if (last !== undefined) throw failures.at(-1)!;
}
