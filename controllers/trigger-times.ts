import type { Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import { podCondition } from "@raft2kube/client-kube/object/pod-state.ts";

/** When what an object's endpoints follow has changed: proxies measure their delay by it. */
const LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time";

/**
 * Remembers when Services' pods changed, to find the earliest change since the last sync. A pod
 * that changes twice between two syncs counts once (upstream's TriggerTimeTracker). Times are in
 * the API's form, whose order is that of texts.
 */
export class TriggerTimes {
  /** Maps a Service to the times at which its pods became ready or unready, by their names. */
  readonly #seen = new Map<string, ReadonlyMap<string, string>>();

  /** Returns the earliest change since the last call for the Service, at first its creation. */
  next(key: string, { metadata }: Service, pods: readonly Pod[]): string | undefined {
    const before = this.#seen.get(key);
    const times = new Map<string, string>();
    let earliest: string | undefined;
    for (const pod of pods) {
      const { name = "" } = pod.metadata;
      const time = podCondition(pod, "Ready")?.lastTransitionTime;
      if (time === undefined) continue;
      times.set(name, time);
      const isNew = time > (before?.get(name) ?? "");
      if (isNew && (earliest === undefined || time < earliest)) earliest = time;
    }
    this.#seen.set(key, times);
    return before === undefined ? metadata.creationTimestamp : earliest;
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}

/** Returns metadata with a time of change, or with none. */
export function withTriggerTime(metadata: ObjectMeta, time: string | undefined): ObjectMeta {
  const { [LAST_CHANGE]: _, ...annotations } = metadata.annotations ?? {};
  if (time !== undefined) annotations[LAST_CHANGE] = time;
  return { ...metadata, annotations };
}
