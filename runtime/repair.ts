import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { ExitWatcher } from "./container/exit-watcher.ts";
import { isMonitored } from "./container/monitor.ts";
import { MONITOR_CHECK_INTERVAL_MS } from "./limits.ts";
import type { Ends, Events, Network, ProcessPorts } from "./ports.ts";
import { hasNamespaces } from "./sandbox/pinned-namespaces.ts";
import { stopBroken } from "./sandbox/stop.ts";

type RepairPorts = ProcessPorts & Network & Events & Ends;

/**
 * Periodically repairs the damage of other programs to running containers: killed conmons, and
 * deleted files in the runtime's folder. Reports sandboxes whose first process was killed.
 */
export function startRepair(runtime: RepairPorts, exits: ExitWatcher): Runner {
  const reported = new Set<string>();
  const runner = new Runner({
    clock: runtime.clock,
    async run() {
      reportLost(runtime, reported);
      await repair(runtime, exits);
    },
    report: failureLog(runtime.log, "running containers could not be checked"),
    max_ms: MONITOR_CHECK_INTERVAL_MS,
  });
  runner.request();
  return runner;
}

async function repair(runtime: RepairPorts, exits: ExitWatcher): Promise<void> {
  await exits.reopen(runtime);
  for (const { id, phase } of runtime.containers.values()) {
    if (phase.state !== "running") continue;
    if (!(await isMonitored(runtime.paths.container(id), id))) exits.check(id);
  }
  await stopBroken(runtime);
}

/** Reports each sandbox once whose first process was killed: it is no longer ready. */
function reportLost({ sandboxes, events }: RepairPorts, reported: Set<string>): void {
  const lost = sandboxes.values().filter((one) => one.state === "ready" && !hasNamespaces(one));
  for (const { id } of lost) if (!reported.has(id)) events.sandboxStopped(id);
  reported.clear();
  for (const { id } of lost) reported.add(id);
}
