import { basename, dirname } from "node:path";
import { boundCertificateChains } from "@raft2kube/linux/process/certificate-chains.ts";
import { collectCode } from "@raft2kube/linux/process/collect-garbage.ts";
import { configureLog, logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { asError, remedyOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { startGivingBack } from "../give-back.ts";
import { readRestarts } from "../observe/processes.ts";
import { refusedPeers } from "../refused-peers.ts";
import { type ClusterConfig, readConfigFile } from "../spec/config.ts";
import { processLog } from "../spec/paths.ts";
import type { ProcessName } from "../spec/processes.ts";
import { boundLog } from "../supervisor/log-file.ts";
import { writeOwnParts } from "../supervisor/own-parts.ts";
import { announce, type ProcessSpec, RESTARTED_BY, writeOwnPid } from "../supervisor/supervise.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { boundHeapGrowth } from "./heap-settings.ts";
import { reportRestart } from "./report-restart.ts";
import { Parts } from "./started-parts.ts";

/**
 * Files created without a mode of their own are readable by everyone: the roots of containers,
 * whose processes are any user's. Secret files have modes, and lie in folders of the owner. Not
 * left to the process that starts this one: an operator's may be 077.
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

function run(
  name: ProcessName,
  config: ClusterConfig,
  start: (config: ClusterConfig, parts: Parts) => Promise<void>,
): Promise<void> {
  const { runDir } = config;
  const clock = systemClock({ unref: true });
  return runProcess({ name, runDir, logPath: processLog(config, name) }, async (parts) => {
    await start(config, parts);
    return async () => {
      await writeOwnParts(runDir, name);
      const restarts = readRestarts(runDir, name);
      if (restarts === undefined) return;
      const report = async () => reportRestart(name, config, restarts, clock);
      await parts.start("report of the restart", report);
    };
  });
}

/**
 * Runs a supervised process until it is asked to end. `start` starts its parts, and resolves with
 * what is left to do once it is ready.
 */
export async function runProcess(
  { name, runDir, logPath }: Pick<ProcessSpec, "name" | "runDir" | "logPath">,
  start: (parts: Parts) => Promise<() => Promise<void>>,
): Promise<void> {
  boundCertificateChains(refusedPeers());
  const log = logger("process");
  const parts = new Parts();
  const clock = systemClock({ unref: true });
  const supervisor = new Supervisor({ name, runDir, logPath, clock });
  let closing: Promise<void> | undefined;
  const close = (signal?: NodeJS.Signals) => {
    // A process that is stopped on request is not restarted.
    if (closing === undefined && process.exitCode === undefined) supervisor.end();
    closing ??= parts.close(signal === "SIGINT").then(() => process.exit(process.exitCode ?? 0));
    return closing;
  };
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, close);
  process.on("unhandledRejection", (reason) => die(log, reason));
  process.on("uncaughtException", (error) => die(log, error));
  try {
    const then = await start(parts);
    if (closing !== undefined) return;
    await writeOwnPid(runDir, name);
    if (process.env[RESTARTED_BY] === undefined) await supervisor.start();
    boundHeapGrowth();
    log.info(`${name} is ready`);
    announce({ state: "ready" });
    // The control process has several times a node's heap, and is held too long by it.
    const collect = ["node", "machine"].includes(name) ? () => collectCode() : undefined;
    await parts.start("giving memory back", async () => startGivingBack(clock, collect));
    await then();
  } catch (thrown) {
    const error = asError(thrown);
    log.error(`${name} did not start`, { err: error });
    announce({ state: "failed", message: error.message, ...given({ remedy: remedyOf(error) }) });
    process.exitCode = 1;
    await close();
  }
}

/**
 * An error that nothing handled: the state is unknown, so the process ends; containers keep
 * running.
 */
function die(log: ReturnType<typeof logger>, reason: unknown): void {
  log.error("the process ends: an error that nothing handled", { err: asError(reason) });
  process.exit(70);
}
