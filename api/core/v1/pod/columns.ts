import { age, ageColumn, column, NONE, nameColumn, wide } from "../../../columns.ts";
import type { Container, ContainerStatus, Pod } from "../../../gen/core/v1.ts";
import type { Column } from "../../../kind.ts";
import { millisOf } from "../../../time.ts";

/** The middle columns of a pod in kubectl. */
interface Summary {
  reason: string;
  ready: number;
  total: number;
  restarts: number;
  lastRestart: string | undefined;
}

const isSidecar = (container: Container | undefined): boolean =>
  container?.restartPolicy === "Always";

function later(a: string | undefined, b: string | undefined): string | undefined {
  return (millisOf(a) ?? 0) >= (millisOf(b) ?? 0) ? a : b;
}

function countRestart(summary: Summary, status: ContainerStatus): void {
  summary.restarts += status.restartCount;
  summary.lastRestart = later(summary.lastRestart, status.lastState?.terminated?.finishedAt);
}

/** Why the pod is still initialising; undefined when this container does not hold it up. */
function initReason(
  status: ContainerStatus,
  container: Container | undefined,
  index: number,
  count: number,
): string | undefined {
  const { terminated, waiting } = status.state ?? {};
  if (terminated?.exitCode === 0) return undefined;
  if (isSidecar(container) && status.started === true) return undefined;
  if (terminated !== undefined) {
    if ((terminated.reason ?? "") !== "") return `Init:${terminated.reason}`;
    return (terminated.signal ?? 0) !== 0
      ? `Init:Signal:${terminated.signal}`
      : `Init:ExitCode:${terminated.exitCode}`;
  }
  if ((waiting?.reason ?? "") !== "" && waiting?.reason !== "PodInitializing") {
    return `Init:${waiting?.reason}`;
  }
  return `Init:${index}/${count}`;
}

function addInit(summary: Summary, sidecars: Summary, pod: Pod): boolean {
  const containers = pod.spec.initContainers ?? [];
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const container = containers.find((each) => each.name === status.name);
    countRestart(summary, status);
    if (isSidecar(container)) countRestart(sidecars, status);
    const reason = initReason(status, container, index, containers.length);
    if (reason !== undefined) {
      summary.reason = reason;
      return true;
    }
    if (isSidecar(container) && status.ready) summary.ready++;
  }
  return false;
}

function addMain(summary: Summary, pod: Pod): void {
  let running = false;
  let failure = "";
  for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    countRestart(summary, status);
    const { waiting, terminated } = status.state ?? {};
    if ((waiting?.reason ?? "") !== "") summary.reason = waiting!.reason!;
    else if (terminated !== undefined) {
      const { reason = "", signal = 0, exitCode } = terminated;
      summary.reason =
        reason !== "" ? reason : signal !== 0 ? `Signal:${signal}` : `ExitCode:${exitCode}`;
      if (exitCode !== 0) failure = summary.reason;
    } else if (status.ready && status.state?.running !== undefined) {
      running = true;
      summary.ready++;
    }
  }
  if (summary.reason !== "Completed") return;
  if (running && hasCondition(pod, "Ready")) summary.reason = "Running";
  else if (failure !== "") summary.reason = failure;
  else if (running) summary.reason = "NotReady";
}

const hasCondition = (pod: Pod, type: string): boolean =>
  pod.status?.conditions?.some((each) => each.type === type && each.status === "True") === true;

/** Reads a pod as kubectl's list does. */
export function summarize(pod: Pod): Summary {
  const phase = pod.status?.phase ?? "";
  const summary: Summary = {
    reason: (pod.status?.reason ?? "") === "" ? phase : pod.status!.reason!,
    ready: 0,
    total: pod.spec.containers.length + (pod.spec.initContainers ?? []).filter(isSidecar).length,
    restarts: 0,
    lastRestart: undefined,
  };
  const gated = pod.status?.conditions?.some(
    (each) => each.type === "PodScheduled" && each.reason === "SchedulingGated",
  );
  if (gated === true) summary.reason = "SchedulingGated";
  const sidecars: Summary = { ...summary };
  const initializing = addInit(summary, sidecars, pod);
  if (!initializing || hasCondition(pod, "Initialized")) {
    summary.restarts = sidecars.restarts;
    summary.lastRestart = sidecars.lastRestart;
    addMain(summary, pod);
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (pod.status?.reason === "NodeLost") summary.reason = "Unknown";
    else if (phase !== "Succeeded" && phase !== "Failed") summary.reason = "Terminating";
  }
  return summary;
}

function restartsCell(pod: Pod, now_ms: number): string {
  const { restarts, lastRestart } = summarize(pod);
  if (restarts === 0 || lastRestart === undefined) return String(restarts);
  return `${restarts} (${age(lastRestart, now_ms)} ago)`;
}

function gatesCell(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const open = gates.filter((each) => hasCondition(pod, each.conditionType)).length;
  return `${open}/${gates.length}`;
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  column(
    "Ready",
    (pod) => {
      const { ready, total } = summarize(pod);
      return `${ready}/${total}`;
    },
    { description: "Containers that are ready, of all." },
  ),
  column("Status", (pod) => summarize(pod).reason, { description: "Phase, or why not yet." }),
  column("Restarts", restartsCell, { description: "Restarts of containers, and the last." }),
  ageColumn,
  wide("IP", (pod) => pod.status?.podIPs?.[0]?.ip || NONE),
  wide("Node", (pod) => pod.spec.nodeName || NONE),
  wide("Nominated Node", (pod) => pod.status?.nominatedNodeName || NONE),
  wide("Readiness Gates", gatesCell),
];

/** A pod that has ended is a completed row. */
export function podRowConditions({ status }: Pod): readonly object[] {
  const phase = status?.phase;
  if (phase !== "Succeeded" && phase !== "Failed") return [];
  const message = phase === "Failed" ? "The pod failed." : "The pod has completed successfully.";
  return [{ type: "Completed", status: "True", reason: phase, message }];
}
