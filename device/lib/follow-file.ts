import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
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
  let timer: Timer | undefined;
  let last: string | undefined;
  let closed = false;
  const look = async () => {
    try {
      const text = await readText(file);
      if (!closed && text !== last) changed((last = text));
    } catch (thrown) {
      log.warn("the health file cannot be read", { file, error: messageOf(thrown) });
    }
  };
  const again = () => {
    timer = clock.after(RECHECK_MS, () => void look().then(() => closed || again()));
  };
  const files = watch(path.dirname(file), () => void look());
  files.on("error", (error) => log.warn("no file events for the health file", { error }));
  void look();
  again();
  return {
    close() {
      closed = true;
      files.close();
      timer?.cancel();
    },
  };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return "";
    throw thrown;
  }
}
