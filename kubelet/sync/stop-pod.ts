import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { runHook } from "../containers/lifecycle-hook.ts";
import { mayRun, type ObservedContainer, type ObservedPod } from "../cri/observed.ts";
import { ignoreGone, type Runtime } from "../cri/runtime.ts";
import { GRACE_AFTER_HOOK_S, STOP_EXTRA_MS } from "../limits.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { containersOf, isRestartableInit } from "../pods/pod-identity.ts";

const log = logger("kubelet-stop");

export interface StopPorts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly events: PodEventSink;
  readonly node: { readonly hostIPs: string[] };
}

export interface StopOptions {
  grace_s: number;
  /**
   * Signal that is aborted when a shorter grace period is requested: the stop is then started
   * again.
   */
  signal?: AbortSignal;
}

/**
 * Stops one container: records the Killing event, runs the preStop hook within the grace period,
 * then stops it with the rest of the period. Resolves when the container has ended.
 */
export async function stopContainer(
  ports: StopPorts,
  pod: Pod,
  observed: ObservedContainer,
  message: string,
  { grace_s, signal }: StopOptions,
): Promise<void> {
  const { clock, runtime, events } = ports;
  const listed = containersOf(pod).find((one) => one.container.name === observed.name);
  const container = listed?.container;
  events.record(pod, "Normal", "Killing", message, observed.name);
  const begun_ms = clock.monotonic();
  if (container && observed.state === "running" && grace_s > 0) {
    await preStop(ports, pod, container, observed, grace_s);
  }
  const used_s = Math.floor((clock.monotonic() - begun_ms) / 1_000);
  const hooked = container?.lifecycle?.preStop !== undefined && grace_s > 0;
  const least_s = hooked ? GRACE_AFTER_HOOK_S : 0;
  const timeout = Math.max(grace_s - used_s, least_s);
  const timeout_ms = timeout * 1_000 + STOP_EXTRA_MS;
  const call = signal ? { timeout_ms, signal } : { timeout_ms };
  await ignoreGone(runtime.runtime.stopContainer({ containerId: observed.id, timeout }, call));
}

/** Stops a pod: regular containers together, then sidecars in reverse order, then the sandbox. */
export async function stopPod(
  ports: StopPorts,
  pod: Pod,
  observed: ObservedPod,
  options: StopOptions,
): Promise<void> {
  const { clock } = ports;
  const begun_ms = clock.monotonic();
  const running = observed.containers.filter(mayRun);
  const sidecars = (pod.spec.initContainers ?? []).filter(isRestartableInit);
  const isSidecar = (one: ObservedContainer) => sidecars.some(({ name }) => name === one.name);
  const stop = (one: ObservedContainer, options: StopOptions) =>
    stopContainer(ports, pod, one, `Stopping container ${one.name}`, options);
  await all(running.filter((one) => !isSidecar(one)).map((one) => stop(one, options)));
  for (const { name } of sidecars.toReversed()) {
    const used_s = Math.floor((clock.monotonic() - begun_ms) / 1_000);
    const left = { ...options, grace_s: Math.max(0, options.grace_s - used_s) };
    await all(running.filter((one) => one.name === name).map((one) => stop(one, left)));
  }
  await stopSandboxes(ports, observed);
}

/** Stops the pod's sandboxes; containers still in them are killed by the runtime. */
async function stopSandboxes({ runtime }: StopPorts, observed: ObservedPod): Promise<void> {
  const stop = (podSandboxId: string) => runtime.runtime.stopPodSandbox({ podSandboxId });
  await all(observed.sandboxes.map(({ id }) => ignoreGone(stop(id))));
}

/**
 * Waits for all, then rejects with the first failure, so that one failure does not leave others
 * running.
 */
async function all(work: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}

/** Runs the hook. Its failure is recorded as an event; the container is stopped regardless. */
async function preStop(
  ports: StopPorts,
  pod: Pod,
  container: Container,
  observed: ObservedContainer,
  grace_s: number,
): Promise<void> {
  const handler = container.lifecycle?.preStop;
  if (!handler) return;
  const { runtime, clock, events } = ports;
  const podIP = pod.status?.podIP ?? ports.node.hostIPs[0] ?? "";
  try {
    const target = { container, containerId: observed.id, podIP, runtime, clock };
    await runHook(handler, grace_s * 1_000, target);
  } catch (thrown) {
    log.info("preStop hook failed", { container: container.name, error: messageOf(thrown) });
    events.record(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", container.name);
  }
}
