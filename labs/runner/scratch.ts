import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A killed program's own children end a moment after it, and may still write. */
const REMOVAL_RETRIES_MAX = 20;

/**
 * Runs a program with the folder of its temporary files (`TMPDIR`). One of its `own` is removed
 * when the program has ended: a check that fails or is killed leaves its files. Checks that mount
 * below their folders share the system's: they unmount first, and remove them themselves.
 */
export async function withScratch<T>(
  own: boolean,
  run: (folder: string) => Promise<T>,
): Promise<T> {
  if (!own) return run(tmpdir());
  const folder = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: REMOVAL_RETRIES_MAX });
  }
}
