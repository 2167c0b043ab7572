import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { type ClusterConfig, type ClusterPlace, configPath } from "../spec/config.ts";
import { joiningNodeNames, joiningNodePlace } from "../spec/nodes.ts";
import { processLog } from "../spec/paths.ts";
import { endProcess } from "./end-process.ts";
import { nodeNetns } from "./node-link.ts";
import { ALL_PROCESS_NAMES, logsCommand, type ProcessName } from "../spec/processes.ts";
import { runningPid } from "../observe/processes.ts";
import { startProcess } from "../supervisor/supervise.ts";
import { CommandError } from "../terminal.ts";

/** A guest boots, and system calls in it take many times what they take elsewhere. */
export const GUEST_READY_TIMEOUT_MS = 180_000;

/**
 * V8's size of a semi-space (default 16 MiB), which it does not release until it idles for minutes.
 * The other settings of V8 are made once the process is ready (`process/heap-settings.ts`).
 */
export function flagsOf(name: ProcessName): string[] {
  return [`--max-semi-space-size=${name === "node" ? 2 : 8}`];
}

/** Context of a start: how long it may take, and the signal that ends it. */
export interface StartContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long a node may take to be Ready. */
  readonly readyTimeout_ms: number;
}

/** Whether a process of the cluster runs, of the control plane or of a node. */
export function hasProcess(cluster: ClusterPlace): boolean {
  const joined = joiningNodeNames(cluster).map((name) => joiningNodePlace(cluster, name));
  return [cluster, ...joined].some(({ runDir }) => {
    return ALL_PROCESS_NAMES.some((name) => runningPid(runDir, name) !== undefined);
  });
}

/** Starts one of the cluster's processes, a node's in its namespace, unless it runs. */
export async function ensureProcess(
  config: ClusterConfig,
  name: ProcessName,
  { signal, clock }: Pick<StartContext, "signal" | "clock">,
): Promise<void> {
  if (runningPid(config.runDir, name) !== undefined) return;
  await endProcess(config, name, clock);
  await startProcess(
    {
      name,
      configPath: configPath(config.dataDir),
      runDir: config.runDir,
      logPath: processLog(config, name),
      nodeFlags: flagsOf(name),
      ...(name === "node" ? { netns: nodeNetns(config) } : {}),
      logs: logsCommand(config.name, name, config.joins && config.nodeName),
      ...(config.guest === undefined ? {} : { readyTimeout_ms: GUEST_READY_TIMEOUT_MS }),
    },
    signal,
  );
}

/** Waits for the Node's condition Ready; an error has the condition's message. */
export async function nodeReady(
  client: KubeClient,
  { nodeName }: Pick<ClusterConfig, "nodeName">,
  { clock, readyTimeout_ms, signal }: StartContext,
): Promise<void> {
  const nodes = client.resource<Node>(NODES);
  let reason = "it has not registered";
  try {
    await waitFor(
      `node ${nodeName} to be Ready`,
      async () => {
        const { status } = await nodes.get({ name: nodeName });
        const ready = status?.conditions?.find((item) => item.type === "Ready");
        reason = ready?.message ?? "it has no condition Ready";
        return ready?.status === "True";
      },
      { clock: machineClock(clock), timeout_ms: readyTimeout_ms, interval_ms: 50, signal },
    );
  } catch (cause) {
    throw new CommandError("NOT_READY", `node ${nodeName} is not Ready: ${reason}`, { cause });
  }
}
