import { logger } from "@raft2kube/observe/log.ts";
import { UMASK } from "../process/running.ts";
import type { Closable } from "../process/started-parts.ts";

/**
 * Starts one part and resolves when it was closed: on SIGTERM or SIGINT; a second signal ends it
 * immediately.
 */
export async function runPart(name: string, start: () => Promise<Closable>): Promise<void> {
  process.umask(UMASK);
  const part = await start();
  const log = logger(name);
  await new Promise<void>((resolve) => {
    let closing = false;
    const stop = () => {
      if (closing) process.exit(130);
      closing = true;
      resolve();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
  log.info("stopping");
  await part.close();
}
