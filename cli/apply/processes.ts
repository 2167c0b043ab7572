import { runningPid } from "../observe/processes.ts";
import type { StepOf } from "../plan/step.ts";
import { type ClusterConfig, configPath } from "../spec/config.ts";
import { processLog } from "../spec/paths.ts";
import { logsCommand, type ProcessName } from "../spec/processes.ts";
import { startProcess } from "../supervisor/supervise.ts";
import { type Context, type StartContext, untilAborted } from "./context.ts";
import { endProcess } from "./end-process.ts";
import { nodeNetns } from "./network.ts";

/** A guest boots, and system calls in it take many times what they take elsewhere. */
export const GUEST_READY_TIMEOUT_MS = 180_000;

/**
 * V8's size of a semi-space (default 16 MiB), which it does not release until it idles for minutes.
 * The other settings of V8 are made once the process is ready (`process/heap-settings.ts`).
 */
export function flagsOf(name: ProcessName): string[] {
  return [`--max-semi-space-size=${name === "node" ? 2 : 8}`];
}

/**
 * Starts processes of the control plane and the first node's, all at a time. Those of `ahead` are
 * started beside them, and wait for their own step where they need the cluster's API.
 */
export function applyProcesses(
  { cluster, names, ahead = [], title }: StepOf<"processes">,
  context: Context,
): Promise<void> {
  return context.step(title, () =>
    untilAborted(context.signal, async () => {
      for (const name of ahead) startAhead(cluster, name, context);
      const start = (name: ProcessName) => {
        const ahead = context.ahead.get(name);
        ahead?.go();
        return ahead?.ready ?? ensureProcess(cluster, name, context);
      };
      await Promise.all(names.map(start));
    }),
  );
}

/** Starts a process that waits, once it is prepared, until its step lets it go on. */
export function startAhead(config: ClusterConfig, name: ProcessName, context: Context): void {
  const { promise: go, resolve } = Promise.withResolvers<void>();
  const ready = ensureProcess(config, name, context, go);
  ready.catch(() => undefined); // its step throws this
  context.ahead.set(name, { go: resolve, ready });
}

/**
 * Starts one of the cluster's processes, a machine's in its namespace, unless it runs. `go` is that
 * of `startProcess`.
 */
export async function ensureProcess(
  config: ClusterConfig,
  name: ProcessName,
  { signal, clock }: Pick<StartContext, "signal" | "clock">,
  go?: Promise<void>,
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
      ...(name === "node" || config.controlPlane ? { netns: nodeNetns(config) } : {}),
      logs: logsCommand(config.name, name, config.joins && config.nodeName),
      ...(config.guest === undefined ? {} : { readyTimeout_ms: GUEST_READY_TIMEOUT_MS }),
    },
    signal,
    go,
  );
}
