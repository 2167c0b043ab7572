import { existsSync } from "node:fs";
import { cp, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import type { ClusterPlace } from "../spec/config.ts";
import { logsDir } from "../spec/paths.ts";
import { CommandError, type Progress } from "../terminal.ts";

/** Code of the error of a process whose log has more than it reported. */
export const SEE_LOG = "SEE_LOG";

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

/** A failed write, on a full disk for example, must not prevent the rollback of the start. */
export async function noteLogs(
  place: ClusterPlace,
  progress: Progress,
): Promise<string | undefined> {
  try {
    const kept = await keepLogs(logsDir(place), place.name);
    if (kept !== undefined) progress.note(`  the logs of this start are kept in ${kept}`);
    return kept;
  } catch (thrown) {
    progress.note(`  the logs of this start cannot be kept: ${messageOf(thrown)}`);
    return undefined;
  }
}

/** A failure whose remedy is a log that has been removed, with the copy in its place. */
export function withKeptLogs(thrown: unknown, kept: string | undefined): unknown {
  if (kept === undefined || !isErrno(thrown, SEE_LOG)) return thrown;
  const { code, message, cause } = thrown as CommandError;
  return new CommandError(code, message, { remedy: `read the logs in ${kept}`, cause });
}
