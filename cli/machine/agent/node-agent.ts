import { closeSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, tolerate, tolerateSync } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { endProcess } from "../../apply/end-process.ts";
import { flagsOf } from "../../apply/processes.ts";
import { openLog } from "../../supervisor/log-file.ts";
import {
  ANNOUNCE_TO,
  type Announcement,
  ownProgram,
  READY_TIMEOUT_MS,
  startFailure,
  startProcess,
} from "../../supervisor/supervise.ts";
import { KUBELET_CONFIG, KUBELET_KUBECONFIG, NODE_AGENT } from "../layout.ts";
import * as systemd from "./systemd.ts";

/** A machine that joins may wait for a person's approval for so long, as with kubeadm. */
const JOIN_TIMEOUT_MS = 300_000;

/** Variables of this process that name the product's places; a service has no others of it. */
const OWN_VARIABLES = ["PATH", "NODE_OPTIONS", "R2K_ROOT", "R2K_DATA", "R2K_RUN", "R2K_LOG"];

/**
 * Starts the node agent of this machine, and resolves when it is ready: as a service where systemd
 * is the first process, so that it starts with the machine, elsewhere under the product's own
 * supervisor. Rejects with its message, or the end of its log.
 */
export async function startNodeAgent(signal: AbortSignal, other?: systemd.AgentProgram) {
  const { runDir, logPath } = NODE_AGENT;
  const logs = `tail ${logPath}`;
  const nodeFlags = flagsOf("node");
  const place = { configPath: KUBELET_CONFIG, runDir, logPath, logs, nodeFlags };
  const readyTimeout_ms = existsSync(KUBELET_KUBECONFIG) ? READY_TIMEOUT_MS : JOIN_TIMEOUT_MS;
  const spec = { name: "machine", readyTimeout_ms, ...place } as const;
  mkdirSync(runDir, { recursive: true });
  if (!systemd.hasSystemd()) return startProcess({ ...spec, ...other }, signal);
  const announceTo = join(runDir, "announced");
  rmSync(announceTo, { force: true });
  // systemd appends to the log as it is.
  closeSync(openLog(logPath));
  const variables = given(
    Object.fromEntries(OWN_VARIABLES.map((name) => [name, process.env[name]])),
  );
  const env = { MALLOC_ARENA_MAX: "1", ...variables, ...other?.env, [ANNOUNCE_TO]: announceTo };
  await systemd.startUnit({ program: other?.program ?? ownProgram(spec), env }, logPath);
  const said = await announcedIn(announceTo, readyTimeout_ms, signal);
  if (said.state === "ready") return;
  await systemd.stopUnit();
  throw startFailure(spec, said);
}

/** Ends the node agent of this machine, even if it is not ready; a service stays installed. */
export async function endNodeAgent(clock: Clock): Promise<void> {
  const { dataDir, runDir, buildFile } = NODE_AGENT;
  rmSync(buildFile, { force: true });
  if (systemd.hasUnit() && systemd.hasSystemd()) await systemd.stopUnit();
  await endProcess({ name: "machine", dataDir, runDir }, "machine", clock);
}

export async function removeNodeAgent(clock: Clock): Promise<void> {
  await endNodeAgent(clock);
  if (systemd.hasUnit()) await systemd.removeUnit();
}

async function announcedIn(
  path: string,
  timeout_ms: number,
  signal: AbortSignal,
): Promise<Announcement> {
  const said = (): Announcement | undefined => {
    const text = tolerateSync(() => readFileSync(path, "utf8"), errno("ENOENT"));
    return text?.endsWith("\n") ? (JSON.parse(text) as Announcement) : undefined;
  };
  const limits = { clock: machineClock(), timeout_ms, signal };
  const found = tolerate(waitFor("the node agent to be ready", said, limits), errno("ETIMEDOUT"));
  return (await found) ?? { state: "failed", message: `not ready after ${timeout_ms} ms` };
}
