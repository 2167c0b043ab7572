import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { retryOrder } from "../allocation/retry-order.ts";
import { fullNameOf, isStatic, uidOf } from "../pods/pod-identity.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { PodWorker, type WorkerHooks, type WorkerPorts } from "./worker.ts";
import type { WorkerTable } from "./worker-table.ts";

const log = logger("kubelet");

/** Returns a worker's pod with its current status. */
export function shownPod({ pod, status }: PodWorker): Pod {
  return { ...pod, ...(status ? { status } : {}) };
}

/** One worker per pod, from its first appearance until it is removed from the node. */
export class PodWorkers {
  readonly #ports: WorkerPorts;
  readonly #hooks: WorkerHooks;
  readonly #workers: WorkerTable;
  /** Static pods by full name that wait until the previous pod of that name is removed. */
  readonly #queued = new Map<string, Pod>();

  constructor(ports: WorkerPorts, workers: WorkerTable, hooks: Omit<WorkerHooks, "freed">) {
    this.#ports = ports;
    this.#workers = workers;
    const gone = (uid: string) => {
      hooks.gone(uid);
      this.#gone(uid);
    };
    this.#hooks = { ...hooks, gone, freed: () => this.#freed() };
  }

  /** Adds or updates a pod. */
  put(pod: Pod): void {
    const uid = uidOf(pod);
    const worker = this.#workers.get(uid);
    if (worker && !worker.forgotten) return worker.update(pod);
    if (worker || (isStatic(pod) && this.#sameName(pod))) {
      this.#queued.set(fullNameOf(pod), pod);
      return;
    }
    this.#begin(pod);
  }

  /** Removes a pod: its source no longer has it. */
  remove(podUid: string): void {
    this.#workers.get(podUid)?.forget();
    for (const [name, pod] of this.#queued) if (uidOf(pod) === podUid) this.#queued.delete(name);
  }

  trigger(podUid: string): void {
    this.#workers.get(podUid)?.trigger();
  }

  /** Stops a pod with a verdict of the node (eviction). */
  end(podUid: string, verdict: PodVerdict, grace_s: number): void {
    this.#workers.get(podUid)?.end(verdict, grace_s);
  }

  get(podUid: string): PodWorker | undefined {
    return this.#workers.get(podUid);
  }

  /** Returns the worker of a name, the newest when an older one is still terminating. */
  named(fullName: string): PodWorker | undefined {
    return [...this.#workers.values()].findLast(({ pod }) => fullNameOf(pod) === fullName);
  }

  list(): PodWorker[] {
    return [...this.#workers.values()];
  }

  /** Stops a pod that no source knows but the runtime or the disk still shows. */
  sweep(pod: Pod): void {
    if (this.#workers.has(uidOf(pod))) return;
    log.info("sweeping up a pod that no source knows", { pod: fullNameOf(pod), uid: uidOf(pod) });
    this.#make(pod).forget();
  }

  close(): void {
    for (const worker of this.#workers.values()) worker.close();
  }

  #begin(pod: Pod): void {
    const worker = this.#make(pod);
    if (pod.metadata.deletionTimestamp) worker.update(pod);
    else worker.trigger();
  }

  #make(pod: Pod): PodWorker {
    const worker = new PodWorker(this.#ports, this.#hooks, pod);
    this.#workers.set(worker.uid, worker);
    return worker;
  }

  /**
   * Makes the pods that wait for their admission try again, then those with a deferred resize, in
   * upstream's order.
   */
  #freed(): void {
    for (const worker of this.list()) {
      if (worker.state === "syncing" && !worker.isAdmitted) worker.trigger();
    }
    const waiting = this.list().flatMap((worker) => {
      const { resizeDeferred_ms: since_ms, pod, uid } = worker;
      return since_ms === undefined ? [] : [{ uid, pod, since_ms }];
    });
    for (const { uid } of retryOrder(waiting)) this.trigger(uid);
  }

  #sameName(pod: Pod): boolean {
    const name = fullNameOf(pod);
    return this.list().some((worker) => fullNameOf(worker.pod) === name);
  }

  #gone(podUid: string): void {
    const worker = this.#workers.get(podUid);
    if (!worker) return;
    worker.close();
    this.#workers.delete(podUid);
    const name = fullNameOf(worker.pod);
    const next = this.#queued.get(name);
    if (!next || this.#sameName(next)) return;
    this.#queued.delete(name);
    this.#begin(next);
  }
}
