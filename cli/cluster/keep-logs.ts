import { existsSync } from "node:fs";
import { cp, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Copies the logs of a first start that failed, which go with its data, to a new folder that their
 * owner alone may read; returns it, undefined without logs. Its name cannot be foreseen: other
 * users may write to the folder above it, and would lead the copy elsewhere by a link.
 */
export async function keepLogs(logs: string, cluster: string): Promise<string | undefined> {
  if (!existsSync(logs)) return undefined;
  const kept = await mkdtemp(join(tmpdir(), `r2k-${cluster}-failed-`));
  await cp(logs, kept, { recursive: true });
  return kept;
}
