import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { clusterFiles } from "../pki/identities.ts";
import { type ClusterConfig, configPath, readConfigFile } from "../spec/config.ts";
import { certificatesIn, isRenewalDue } from "./certificates-in-use.ts";
import { renewJoined } from "./node-join.ts";
import { runOwn } from "./run-own.ts";
import type { Closable } from "./started-parts.ts";

/**
 * A process looks at its certificates again after at most this time, and at least half of it: each
 * draws its own, so that not all control planes start again at the same moment.
 */
const LOOK_MS_MAX = 3_600_000;
const RETRY_MS = 60_000;
const log = logger("certificates");

export interface RenewalOptions {
  /** Renews what is due, until `signal` ends it; default: `renewOwn`. */
  readonly renew?: (signal: AbortSignal) => Promise<void>;
  /** Ends the process, to be started again; default: a graceful end. */
  readonly end?: () => void;
  readonly drawn?: number;
}

/**
 * Renews the certificates of a process' place once they are due. When one that the process had at
 * its start has been replaced, by any process or person, it ends, and its supervisor starts it with
 * the new one; containers keep running. `close` ends a renewal that is under way: it may wait for
 * the lock that `r2k down` has.
 */
export async function startRenewals(
  config: ClusterConfig,
  clock: Clock,
  {
    renew = (signal) => renewOwn(config, clock, signal),
    end = endToStartAgain,
    drawn = Math.random(),
  }: RenewalOptions = {},
): Promise<Closable> {
  const used = await certificatesIn(config);
  // People use it; no process does.
  used.delete(clusterFiles(config).kubeconfig("admin"));
  const max_ms = (LOOK_MS_MAX * (1 + drawn)) / 2;
  const runner = new Runner({
    clock,
    max_ms,
    retry: { first_ms: RETRY_MS, most_ms: max_ms },
    async run(signal) {
      await renew(signal);
      const now = await certificatesIn(config);
      const replaced = [...used].filter(([path, { fingerprint256: was }]) => {
        return (now.get(path)?.fingerprint256 ?? was) !== was;
      });
      if (replaced.length === 0) return;
      const files = replaced.map(([path]) => path);
      log.info("certificates are renewed: the process starts again with them", { files });
      end();
    },
    report: failureLog(log, "certificates that end soon are not renewed"),
  });
  runner.request(max_ms);
  return runner;
}

/**
 * The processes of the host renew for all that share its disk: they reach the CAs' keys. A node
 * that joined asks the cluster. Another process does the work, so that these keep no code for it.
 */
async function renewOwn(config: ClusterConfig, clock: Clock, signal: AbortSignal): Promise<void> {
  if (config.controlPlane !== undefined) return;
  if (config.joins !== undefined) return renewJoined(config, clock, signal);
  const path = configPath(config.dataDir);
  // Control planes may have been added since this process started.
  if (!(await isRenewalDue(await readConfigFile(path, config.name), clock.now()))) return;
  const { succeeded, said } = await runOwn(["renewal", "--config", path], signal);
  if (!succeeded) throw new CodedError("RENEWAL", said);
}

/** The supervisor stays, as it does not where a process is asked to end. */
function endToStartAgain(): void {
  process.exitCode = 0;
  process.kill(process.pid, "SIGTERM");
}
