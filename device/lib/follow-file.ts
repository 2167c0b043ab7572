import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { RECHECK_MS } from "./limits.ts";

const log = logger("device-health");

/**
 * Calls `changed` with a file's text at the start and after each change; a missing file is empty.
 */
export function followFile(
  file: string,
  clock: Clock,
  changed: (text: string) => void,
): { close(): void } {
  let last: string | undefined;
  let closed = false;
  const looks = new Runner({
    clock,
    max_ms: RECHECK_MS,
    async run() {
      const text = await readText(file);
      if (!closed && text !== last) changed((last = text));
    },
    report: failureLog(log, `the health file ${file} cannot be read`),
  });
  const files = watch(path.dirname(file), () => looks.request());
  files.on("error", (error) => log.warn("no file events for the health file", { error }));
  looks.request();
  return {
    close() {
      closed = true;
      files.close();
      void looks.close();
    },
  };
}

async function readText(file: string): Promise<string> {
  return (await tolerate(readFile(file, "utf8"), errno("ENOENT"))) ?? "";
}
