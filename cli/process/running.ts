import { configureLog, logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError, asError } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { basename, dirname } from "node:path";
import { type ClusterConfig, readConfigFile } from "../cluster/config.ts";
import { processLog } from "../cluster/paths.ts";
import { startGivingBack } from "./give-back.ts";
import { boundLog } from "../supervisor/log-file.ts";
import { reportRestart } from "./report-restart.ts";
import { announce, type ProcessName, writeOwnPid } from "../supervisor/supervise.ts";
import { readRestarts, Supervisor } from "../supervisor/supervisor.ts";

/** Something started that can be ended. */
export interface Closable {
  close(): Promise<void>;
}

/** Parts that were started one after the other, and end in the opposite order. */
export class Parts implements Closable {
  #started: { name: string; part: Closable }[] = [];

  /** Starts a part and keeps it; its failure carries its name. */
  async start<T extends Closable>(name: string, start: () => Promise<T>): Promise<T> {
    try {
      const part = await start();
      this.#started.push({ name, part });
      return part;
    } catch (cause) {
      const error = asError(cause);
      const remedy = cause instanceof CodedError ? cause.remedy : undefined;
      throw new CodedError("PART", `${name} did not start: ${error.message}`, {
        cause,
        ...(remedy === undefined ? {} : { remedy }),
      });
    }
  }

  async close(): Promise<void> {
    for (const { name, part } of this.#started.splice(0).reverse()) {
      try {
        await part.close();
      } catch (thrown) {
        logger("process").error(`${name} did not close well`, { err: asError(thrown) });
      }
    }
  }
}

/**
 * What is made without a mode of its own is for everyone to read: the roots of containers, whose
 * processes are any user's. Secret files have modes, and lie in folders of the owner. Not left to
 * whoever starts the process: an operator's may be 077.
 */
export const UMASK = 0o022;

/** The command of a cluster's process: starts its parts, reports, and closes them on SIGTERM. */
export function processCommand(
  name: ProcessName,
  start: (config: ClusterConfig, parts: Parts) => Promise<void>,
): Command {
  return new Command(name)
    .description(`The ${name} process of a cluster; started by \`r2k start\`.`)
    .requiredOption("--config <file>", "the cluster's cluster.json")
    .action(async (flags: { config: string }) => {
      process.umask(UMASK);
      configureLog({});
      const config = await readConfigFile(flags.config, basename(dirname(flags.config)));
      boundLog(processLog(config, name), systemClock({ unref: true }));
      await run(name, config, start);
    });
}

async function run(
  name: ProcessName,
  config: ClusterConfig,
  start: (config: ClusterConfig, parts: Parts) => Promise<void>,
): Promise<void> {
  const log = logger("process");
  const parts = new Parts();
  const { runDir } = config;
  const clock = systemClock({ unref: true });
  const supervisor = new Supervisor({ name, runDir, logPath: processLog(config, name), clock });
  let closing: Promise<void> | undefined;
  const close = () => {
    // What ends because it is asked to is not started again.
    if (closing === undefined && process.exitCode === undefined) supervisor.end();
    return (closing ??= parts.close().then(() => process.exit(process.exitCode ?? 0)));
  };
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, close);
  process.on("unhandledRejection", (reason) => die(log, reason));
  process.on("uncaughtException", (error) => die(log, error));
  try {
    await start(config, parts);
    if (closing !== undefined) return;
    await writeOwnPid(runDir, name);
    await supervisor.start();
    log.info(`${name} is ready`);
    announce({ state: "ready" });
    await parts.start("giving memory back", async () => startGivingBack(clock));
    const restarts = readRestarts(runDir, name);
    if (restarts === undefined) return;
    const report = async () => reportRestart(name, config, restarts, clock);
    await parts.start("report of the restart", report);
  } catch (thrown) {
    const error = asError(thrown);
    log.error(`${name} did not start`, { err: error });
    const remedy = error instanceof CodedError ? error.remedy : undefined;
    announce({ state: "failed", message: error.message, ...(remedy ? { remedy } : {}) });
    process.exitCode = 1;
    await close();
  }
}

/** An error that nothing handled: the state is unknown, so the process ends; containers go on. */
function die(log: ReturnType<typeof logger>, reason: unknown): void {
  log.error("the process ends: an error that nothing handled", { err: asError(reason) });
  process.exit(70);
}
