import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CONDITION_WRITERS } from "./limits.ts";

export interface PodConditionsOptions {
  readonly pods: Pick<ResourceClient<Pod>, "patch">;
  readonly clock: Clock;
  /** Returns the pod as the informer has it; undefined when it is deleted. */
  current(pod: Pod): Pod | undefined;
}

interface NotScheduled {
  readonly pod: Pod;
  readonly reason: "Unschedulable" | "SchedulerError";
  readonly message: string;
}

/**
 * Writes why pods have no node into their PodScheduled conditions: the newest reason of each,
 * namespaces in turn, CONDITION_WRITERS of them concurrently. Bindings share the client's bound on
 * requests, and would wait behind thousands of pods that fit nowhere.
 */
export class PodConditions {
  readonly #options: PodConditionsOptions;
  readonly #queue: WorkQueue;
  /** The newest reasons that are not written yet, by the keys of their pods. */
  readonly #due = new Map<string, NotScheduled>();
  readonly #writing = new Map<string, Promise<unknown>>();
  readonly #workers: Promise<void>;

  constructor(options: PodConditionsOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({ clock: options.clock, workers: CONDITION_WRITERS });
    this.#workers = runWorkers("pod-conditions", this.#queue, (key) => this.#write(key));
  }

  notScheduled(pod: Pod, reason: NotScheduled["reason"], message: string): void {
    const key = keyOf(pod);
    this.#due.set(key, { pod, reason, message });
    this.#queue.add(key);
  }

  /**
   * Drops what is not written yet about a pod, and resolves when a write under way has ended: after
   * its binding the pod's condition is true.
   */
  async withdraw(pod: Pod): Promise<void> {
    const key = keyOf(pod);
    this.#due.delete(key);
    await this.#writing.get(key)?.catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#queue.close();
    await this.#workers;
  }

  async #write(key: string): Promise<void> {
    const due = this.#due.get(key);
    const pod = due && this.#options.current(due.pod);
    if (!due || !pod || pod.spec.nodeName) return void this.#due.delete(key);
    const writing = this.#patch(pod, due);
    this.#writing.set(key, writing);
    try {
      await writing;
      if (this.#due.get(key) === due) this.#due.delete(key);
    } finally {
      this.#writing.delete(key);
    }
  }

  async #patch(pod: Pod, { reason, message }: NotScheduled): Promise<void> {
    const { pods, clock } = this.#options;
    const known = pod.status?.conditions?.find((condition) => condition.type === "PodScheduled");
    if (known?.status === "False" && known.reason === reason && known.message === message) return;
    const changed = known?.status !== "False";
    const lastTransitionTime = changed ? timeText(clock.now()) : known.lastTransitionTime;
    const condition = {
      ...{ type: "PodScheduled", status: "False", reason, message, lastTransitionTime },
      observedGeneration: pod.metadata.generation,
    };
    const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
    await pods.patch({ ...nameOf(pod), subresource: "status" }, "strategic", patch);
  }
}
