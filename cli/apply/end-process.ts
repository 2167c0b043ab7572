import { existsSync } from "node:fs";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { KUBELET_CONFIG } from "../machine/layout.ts";
import { alive, processTable, startTimeOf } from "../observe/process-table.ts";
import { runningPid, supervisorPid } from "../observe/processes.ts";
import { type ClusterPlace, configPath } from "../spec/config.ts";
import { guestDisk } from "../spec/paths.ts";
import type { ProcessName } from "../spec/processes.ts";
import { dismissSupervisor, forgetRestarts } from "../supervisor/supervisor.ts";

/** Time between SIGTERM and SIGKILL. */
const TERMINATE_TIMEOUT_MS = 5_000;
/** How long a guest may take to shut down, and the process of a node that is one. */
export const GUEST_STOP_MS = 20_000;
const GUEST_TERMINATE_TIMEOUT_MS = GUEST_STOP_MS + TERMINATE_TIMEOUT_MS;

/** How a process is asked to end, by SIGINT in a hurry, and the time until it is killed. */
type EndOptions = { readonly signal?: "SIGTERM" | "SIGINT"; readonly timeout_ms?: number };

/**
 * Ends one of a cluster's processes: first its supervisor, which would restart it, then the process
 * itself, even if it is not ready.
 */
export async function endProcess(
  config: ClusterPlace,
  name: ProcessName | "machine",
  clock: Clock,
  { signal, ...options }: EndOptions = {},
): Promise<void> {
  const supervisor = supervisorPid(config.runDir, name);
  dismissSupervisor(config.runDir, name);
  if (supervisor !== undefined) await terminate([supervisor], TERMINATE_TIMEOUT_MS, clock);
  const running = runningPid(config.runDir, name);
  const starting = startingPids(config, name);
  const pids = running === undefined ? starting : [running, ...starting];
  const isGuest = existsSync(guestDisk(config));
  const usual_ms = isGuest ? GUEST_TERMINATE_TIMEOUT_MS : TERMINATE_TIMEOUT_MS;
  const limit_ms = options.timeout_ms ?? usual_ms;
  // A process that is killed early on a busy machine loses data that it has not written yet.
  await terminate([...new Set(pids)], limit_ms, machineClock(clock), signal);
  forgetRestarts(config.runDir, name);
}

/**
 * Processes with this one's command line; a supervisor has it too, and of a machine's agent also
 * the one that obtains its certificate.
 */
function startingPids(config: ClusterPlace, name: ProcessName | "machine"): number[] {
  const path = name === "machine" ? KUBELET_CONFIG : configPath(config.dataDir);
  const command = ` ${name} --config ${path}`;
  const isOwn = (line: string) => line.replace(/ --obtain-certificate$/, "").endsWith(command);
  return processTable()
    .filter((entry) => isOwn(entry.command) && entry.pid !== process.pid)
    .map((entry) => entry.pid);
}

/**
 * Sends a signal to processes, to all of them first, and kills those that have not ended within
 * `timeout_ms`.
 */
export async function terminate(
  pids: readonly number[],
  timeout_ms: number,
  clock: Clock,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<void> {
  const targets = pids.flatMap((pid) => {
    const started = startTimeOf(pid);
    return started === undefined ? [] : [{ pid, started }];
  });
  const remaining = () => targets.filter((target) => alive(target.pid, target.started));
  const send = (signal: NodeJS.Signals) => {
    for (const target of remaining()) {
      tolerateSync(() => process.kill(target.pid, signal), errno("ESRCH"));
    }
  };
  const gone = () => remaining().length === 0;
  send(signal);
  try {
    await waitFor("processes to end", gone, { clock, timeout_ms });
  } catch (thrown) {
    if (!isErrno(thrown, "ETIMEDOUT")) throw thrown;
    send("SIGKILL");
    await waitFor("killed processes to end", gone, { clock });
  }
}
