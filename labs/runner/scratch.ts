import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A killed program's own children end a moment after it, and may still write. */
const REMOVAL_RETRIES_MAX = 20;

/**
 * Runs a program with a folder of its own for temporary files (`TMPDIR`), which is removed when the
 * program has ended: a check that fails or is killed leaves its files. Its mounts there are in its
 * own mount namespace (`namespaces.ts`), and are not seen by the removal.
 */
export async function withScratch<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: REMOVAL_RETRIES_MAX });
  }
}
