import { readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { processNames } from "../spec/processes.ts";

declare const R2K_OWN_PARTS: readonly string[] | undefined;
declare const R2K_OWN_DIGEST: string | undefined;

/** The labs whose part in this program is the reader's; `scripts/build/bundle.ts` defines them. */
export const OWN_PARTS: readonly string[] =
  typeof R2K_OWN_PARTS === "undefined" ? [] : R2K_OWN_PARTS;

/** Returns the record of this program's parts: the labs, then a digest of the files. */
function recordOfParts(): string {
  const digest = typeof R2K_OWN_DIGEST === "undefined" ? "" : R2K_OWN_DIGEST;
  return OWN_PARTS.length === 0 ? "\n" : `${OWN_PARTS.join(" ")}\n${digest}\n`;
}

const ownPartsPath = (runDir: string, name: string): string => join(runDir, `${name}.own-parts`);

/** Records which labs' parts this process runs. */
export async function writeOwnParts(runDir: string, name: string): Promise<void> {
  await replaceFile(ownPartsPath(runDir, name), recordOfParts());
}

/** Returns the record that a running process has left of its program's parts. */
const readRecord = (runDir: string, name: string): string =>
  tolerateSync(() => readFileSync(ownPartsPath(runDir, name), "utf8"), errno("ENOENT")) ?? "\n";

/** The labs whose part in a running process is the reader's. */
function readOwnParts(runDir: string, name: string): string[] {
  return readRecord(runDir, name).split("\n")[0]!.split(" ").filter(Boolean);
}

/** Whether a process was started with other parts than this program has, or with other files. */
export function hasOtherParts(runDir: string, name: string): boolean {
  return readRecord(runDir, name) !== recordOfParts();
}

/** The labs whose part in any process of a running cluster is the reader's. */
export function runningOwnParts(config: ClusterConfig): string[] {
  const parts = processNames(config).flatMap((name) => readOwnParts(config.runDir, name));
  return [...new Set(parts)].sort();
}
