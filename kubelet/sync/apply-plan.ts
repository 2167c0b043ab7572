import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { containerHash } from "../containers/container-hash.ts";
import { mayRun, type ObservedPod } from "../cri/observed.ts";
import type { ImagePuller } from "../images/pull.ts";
import type { BackOffs } from "../pods/back-off.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { sandboxConfig } from "../sandbox/sandbox-config.ts";
import type { WaitingReason } from "../status/container-status.ts";
import type { ReadyVolume } from "../volumes/plugin.ts";
import {
  type KillAction,
  type PodPlan,
  restartsAfterKill,
  type StartAction,
} from "./plan-actions.ts";
import { StartError, type StartPorts, startContainer } from "./start-container.ts";
import { type SandboxPorts, startSandbox } from "./start-sandbox.ts";
import { type StopPorts, stopContainer, stopPod } from "./stop-pod.ts";

export interface ApplyPorts extends StartPorts, StopPorts, SandboxPorts {
  readonly node: StartPorts["node"];
  readonly objects: StartPorts["objects"];
  readonly sandboxNode: SandboxPorts["sandboxNode"];
  readonly images: Pick<ImagePuller, "ensure" | "remaining">;
  readonly restartBackOff: BackOffs;
}

export interface ApplyContext {
  volumes: ReadonlyMap<string, ReadyVolume>;
  podIPs: string[];
  /** Waiting reasons by container name; kept between steps. */
  waiting: Map<string, WaitingReason>;
  /** Ids of containers that are killed to be started again; kept between steps. */
  restarting: Set<string>;
  /**
   * Signal that is aborted when the pod is to be stopped: stops and hooks under way are cancelled,
   * and containers that are not started yet are skipped.
   */
  signal: AbortSignal;
}

export interface ApplyResult {
  /** Whether a container was started or stopped: the next step follows immediately. */
  changed: boolean;
  waitingChanged: boolean;
  /** Milliseconds until the next retry. */
  retry_ms: number | undefined;
  /** A container could not be started: retry with back-off. */
  failed: boolean;
}

/**
 * Applies a plan. Throws SandboxError, or the error of a stop, which the signal may have cancelled.
 */
export async function applyPlan(
  ports: ApplyPorts,
  pod: Pod,
  observed: ObservedPod,
  plan: PodPlan,
  context: ApplyContext,
): Promise<ApplyResult> {
  const result: ApplyResult = {
    changed: false,
    waitingChanged: false,
    retry_ms: undefined,
    failed: false,
  };
  if (plan.stop) {
    // Their work is not done though they may end with 0: the next sandbox gets them again.
    for (const one of observed.containers.filter(mayRun)) {
      if (pod.spec.containers.some(({ name }) => name === one.name)) context.restarting.add(one.id);
    }
    await stopPod(ports, pod, observed, { grace_s: graceOf(pod), signal: context.signal });
    const message = "Pod sandbox changed, it will be killed and re-created.";
    ports.events.record(pod, "Normal", "SandboxChanged", message);
    result.changed = true;
  }
  if (plan.createSandbox !== undefined && !context.signal.aborted) {
    await startSandbox(ports, pod, plan.createSandbox, context.signal);
    result.changed = true;
    return result;
  }
  for (const { cause, container, observed } of plan.kill) {
    if (restartsAfterKill(pod, container, cause)) context.restarting.add(observed.id);
  }
  await Promise.all(plan.kill.map((kill) => killOne(ports, pod, kill, context)));
  if (plan.kill.length > 0) result.changed = true;
  const sandbox = observed.sandboxes[0];
  if (!sandbox) return result;
  const config = sandboxConfig(pod, sandbox.attempt, ports.sandboxNode);
  const { volumes, podIPs, signal } = context;
  const shared = { ports, pod, observed, sandbox, sandboxConfig: config, volumes, podIPs, signal };
  for (const action of plan.start) {
    if (context.signal.aborted) return result;
    if (inBackOff(ports, pod, action, context, result)) continue;
    const { name } = action.container;
    try {
      await startContainer(shared, action);
      context.waiting.delete(name);
      if (action.after) context.restarting.delete(action.after.id);
      result.changed = true;
    } catch (thrown) {
      if (signal.aborted) return result;
      if (!(thrown instanceof StartError)) throw thrown;
      const { reason, message } = thrown;
      setWaiting(context, result, name, { reason, message });
      const pulling = reason === "ImagePullBackOff";
      const pull_ms = pulling ? ports.images.remaining(pod, action.container) : 0;
      if (pull_ms > 0) retryIn(result, pull_ms);
      else result.failed = true;
    }
  }
  return result;
}

async function killOne(
  ports: StopPorts,
  pod: Pod,
  kill: KillAction,
  { podIPs: [podIP], signal }: ApplyContext,
): Promise<void> {
  const grace_s = ownGrace(kill) ?? graceOf(pod);
  await stopContainer(ports, pod, kill.observed, kill.message, { grace_s, podIP, signal });
}

/** Returns the grace period of the failed probe, if it has its own; 0 where all are restarted. */
export function ownGrace({ cause, container }: KillAction): number | undefined {
  switch (cause) {
    case "liveness-probe":
      return container.livenessProbe?.terminationGracePeriodSeconds;
    case "startup-probe":
      return container.startupProbe?.terminationGracePeriodSeconds;
    case "restart-all":
      return 0;
    case "definition-changed":
    case "resize":
    case "unknown-state":
      return undefined;
    default:
      return cause satisfies never;
  }
}

const graceOf = (pod: Pod): number => pod.spec.terminationGracePeriodSeconds ?? 30;

/** Whether a crashed container is in back-off; its waiting reason is then CrashLoopBackOff. */
function inBackOff(
  ports: Pick<ApplyPorts, "events" | "restartBackOff">,
  pod: Pod,
  { container, after }: StartAction,
  context: ApplyContext,
  result: ApplyResult,
): boolean {
  if (!after) return false;
  // A container that was created but not started failed at its creation.
  const failed_ms = after.state === "exited" ? after.finishedAt_ms : after.createdAt_ms;
  const { name } = container;
  const key = `${uidOf(pod)}/${name}/${containerHash(container)}`;
  const left_ms = ports.restartBackOff.remaining(key, failed_ms);
  if (left_ms === 0) {
    ports.restartBackOff.grow(key, failed_ms);
    return false;
  }
  const id = `${nameOf(pod)}_${namespaceOf(pod)}(${uidOf(pod)})`;
  const event = `Back-off restarting failed container ${name} in pod ${id}`;
  ports.events.record(pod, "Warning", "BackOff", event, name);
  const seconds = ports.restartBackOff.delayOf(key) / 1_000;
  const pause = seconds >= 60 ? `${Math.floor(seconds / 60)}m${seconds % 60}s` : `${seconds}s`;
  const message = `back-off ${pause} restarting failed container=${name} pod=${id}`;
  setWaiting(context, result, name, { reason: "CrashLoopBackOff", message });
  retryIn(result, left_ms);
  return true;
}

function setWaiting(
  { waiting }: ApplyContext,
  result: ApplyResult,
  name: string,
  reason: WaitingReason,
): void {
  const before = waiting.get(name);
  waiting.set(name, reason);
  if (before?.reason !== reason.reason || before.message !== reason.message) {
    result.waitingChanged = true;
  }
}

function retryIn(result: ApplyResult, delay_ms: number): void {
  result.retry_ms = Math.min(result.retry_ms ?? delay_ms, delay_ms);
}
