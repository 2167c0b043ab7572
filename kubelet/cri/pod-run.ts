import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { restartsAfter, restartsAll } from "../pods/restart-policy.ts";
import { latest, type ObservedContainer, type ObservedPod } from "./observed.ts";

/** Annotation of a container with the number of the run of its pod that it was made in. */
export const RUN_ANNOTATION = "r2k.io/pod-run";

export interface PodRun {
  /** How often all containers of the pod were restarted. */
  readonly number: number;
  /** Containers of earlier runs: those that may run are killed, and none counts as started. */
  readonly past: readonly ObservedContainer[];
  /** Names of containers that this run has not started yet. */
  readonly waiting: ReadonlySet<string>;
}

const FIRST: PodRun = { number: 0, past: [], waiting: new Set() };

/**
 * Returns the run that a pod is in. It ends when a container ends for which a rule restarts all of
 * them; each container keeps the number of its own, so the kubelet may restart at any time.
 * Ephemeral containers have no part in it, nor a sidecar that ends after the work is done, as it
 * does when it is stopped then. Pure. Source: KEP-5532.
 */
export function podRun(pod: Pod, observed: ObservedPod): PodRun {
  const { spec } = pod;
  const listed = new Map(
    [...(spec.initContainers ?? []), ...spec.containers].map((one) => [one.name, one]),
  );
  const own = observed.containers.filter(({ name }) => listed.has(name));
  const runOf = ({ annotations }: ObservedContainer) => Number(annotations[RUN_ANNOTATION] ?? 0);
  const wasDone = (before: ObservedContainer) =>
    spec.containers.every((container) => {
      const last = latest(observed, container.name);
      if (last?.state !== "exited" || runOf(last) !== runOf(before)) return false;
      return (
        last.finishedAt_ms < before.finishedAt_ms && !restartsAfter(pod, container, last.exitCode)
      );
    });
  const ended = own.filter((one) => {
    return (
      one.state === "exited" && restartsAll(listed.get(one.name)!, one.exitCode) && !wasDone(one)
    );
  });
  const number = Math.max(0, ...own.map(runOf), ...ended.map((one) => runOf(one) + 1));
  if (number === 0) return FIRST;
  const past = own.filter((one) => runOf(one) < number);
  const waiting = past.filter((one) => latest(observed, one.name) === one);
  return { number, past, waiting: new Set(waiting.map(({ name }) => name)) };
}
