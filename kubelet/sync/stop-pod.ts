import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { allEnded, delay } from "@raft2kube/std/wait.ts";
import { runHook } from "../containers/lifecycle-hook.ts";
import { mayRun, type ObservedContainer, type ObservedPod } from "../cri/observed.ts";
import { ignoreGone, type Runtime } from "../cri/runtime.ts";
import { GRACE_S_MIN, STOP_EXTRA_MS } from "../limits.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { containersOf, isRestartableInit } from "../pods/pod-identity.ts";
import type { PodTurns } from "./pod-turns.ts";

const log = logger("kubelet-stop");

export interface StopPorts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly turns: Pick<PodTurns, "run">;
  readonly events: PodEventSink;
  readonly node: { readonly hostIPs: string[] };
}

export interface StopOptions {
  grace_s: number;
  /** The pod's address, for preStop hooks; undefined with the node's. */
  podIP?: string | undefined;
  /**
   * Signal that is aborted when another grace period is requested, or another kind of end: the stop
   * is then started again.
   */
  signal?: AbortSignal | undefined;
  /** Settles when the containers have ended that are stopped before this one. */
  turn?: Promise<unknown>;
}

/**
 * Stops one container: records the Killing event, runs the preStop hook and waits for its turn
 * within the grace period, then stops it with the rest of the period, at least GRACE_S_MIN.
 * Resolves when the container has ended.
 */
export async function stopContainer(
  ports: StopPorts,
  pod: Pod,
  observed: Pick<ObservedContainer, "id" | "name" | "state">,
  message: string,
  { grace_s, podIP, signal, turn }: StopOptions,
): Promise<void> {
  const { clock, runtime, events } = ports;
  const listed = containersOf(pod).find((one) => one.container.name === observed.name);
  const container = listed?.container;
  events.record(pod, "Normal", "Killing", message, observed.name);
  const begun_ms = clock.monotonic();
  const left_s = () => grace_s - Math.floor((clock.monotonic() - begun_ms) / 1_000);
  if (container && observed.state === "running" && grace_s > 0) {
    await preStop(ports, pod, container, observed.id, { grace_s, podIP, signal });
  }
  if (turn) await settledWithin(clock, turn, left_s() * 1_000, signal);
  signal?.throwIfAborted();
  const timeout = Math.max(left_s(), GRACE_S_MIN);
  const timeout_ms = timeout * 1_000 + STOP_EXTRA_MS;
  const call = signal ? { timeout_ms, signal } : { timeout_ms };
  await ignoreGone(runtime.runtime.stopContainer({ containerId: observed.id, timeout }, call));
}

/** Resolves when the work has ended in any way, after `most_ms`, or when the signal aborts. */
async function settledWithin(
  clock: Clock,
  work: Promise<unknown>,
  most_ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const settled = new AbortController();
  const settle = () => settled.abort();
  work.then(settle, settle);
  const signals = [settled.signal, ...(signal ? [signal] : [])];
  await delay(clock, most_ms, AbortSignal.any(signals));
}

/**
 * Stops a pod, then its sandbox. The preStop hooks run concurrently; a sidecar is stopped when the
 * regular containers and the sidecars after it have ended, or the grace period has.
 */
export async function stopPod(
  ports: StopPorts,
  pod: Pod,
  observed: ObservedPod,
  asked: StopOptions,
): Promise<void> {
  const options = { podIP: observed.sandboxes[0]?.ips[0], ...asked };
  const running = observed.containers.filter(mayRun);
  const sidecars = (pod.spec.initContainers ?? []).filter(isRestartableInit);
  const isSidecar = (one: ObservedContainer) => sidecars.some(({ name }) => name === one.name);
  const isRegular = (one: ObservedContainer) =>
    pod.spec.containers.some(({ name }) => name === one.name);
  const stop = (one: ObservedContainer, options: StopOptions) =>
    stopContainer(ports, pod, one, `Stopping container ${one.name}`, options);
  const others = running.filter((one) => !isSidecar(one) && !isRegular(one));
  const stopping = others.map((one) => stop(one, options));
  let earlier = running.filter(isRegular).map((one) => stop(one, options));
  stopping.push(...earlier);
  for (const { name } of sidecars.toReversed()) {
    const turn = Promise.allSettled(earlier);
    const these = running.filter((one) => one.name === name);
    const stops = these.map((one) => stop(one, { ...options, turn }));
    stopping.push(...stops);
    earlier = [...earlier, ...stops];
  }
  await allEnded(stopping);
  await stopSandboxes(ports, pod, observed);
}

/** Stops the pod's sandboxes; containers still in them are killed by the runtime. */
async function stopSandboxes(
  { runtime, turns }: StopPorts,
  pod: Pod,
  observed: ObservedPod,
): Promise<void> {
  const stop = (podSandboxId: string) =>
    turns.run(pod, () => runtime.runtime.stopPodSandbox({ podSandboxId }));
  await allEnded(observed.sandboxes.map(({ id }) => ignoreGone(stop(id))));
}

/** Runs the hook. Its failure is recorded as an event; the container is stopped regardless. */
async function preStop(
  ports: StopPorts,
  pod: Pod,
  container: Container,
  containerId: string,
  { grace_s, podIP, signal }: StopOptions,
): Promise<void> {
  const handler = container.lifecycle?.preStop;
  if (!handler) return;
  const { runtime, clock, events } = ports;
  try {
    const ofNode = pod.spec.hostNetwork ? ports.node.hostIPs[0] : undefined;
    const address = podIP ?? ofNode ?? "";
    const target = { container, containerId, podIP: address, runtime, clock, signal };
    await runHook(handler, grace_s * 1_000, target);
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    log.info("preStop hook failed", { container: container.name, error: messageOf(thrown) });
    events.record(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", container.name);
  }
}
