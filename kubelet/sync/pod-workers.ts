import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { fullNameOf, isStatic, uidOf } from "../pods/pod-identity.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import type { PodDeps } from "./pod-deps.ts";
import { PodWorker, type WorkerHooks } from "./worker.ts";
import type { WorkerTable } from "./worker-table.ts";

const log = logger("kubelet");

/** A worker's pod with the status that the kubelet would show for it. */
export function shownPod({ pod, status }: PodWorker): Pod {
  return { ...pod, ...(status ? { status } : {}) };
}

/** One worker per pod, from its first sight until nothing of it is left on the node. */
export class PodWorkers {
  readonly #deps: PodDeps;
  readonly #hooks: WorkerHooks;
  readonly #workers: WorkerTable;
  /** Pods of a file, by full name, that wait until a former one of that name has gone. */
  readonly #queued = new Map<string, Pod>();

  constructor(deps: PodDeps, workers: WorkerTable, hooks: WorkerHooks) {
    this.#deps = deps;
    this.#workers = workers;
    const gone = (uid: string) => {
      hooks.gone(uid);
      this.#gone(uid);
    };
    this.#hooks = { ...hooks, gone };
  }

  /** A pod is new or was changed. */
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

  /** A source has dropped a pod. */
  remove(podUid: string): void {
    this.#workers.get(podUid)?.forget();
    for (const [name, pod] of this.#queued) if (uidOf(pod) === podUid) this.#queued.delete(name);
  }

  trigger(podUid: string): void {
    this.#workers.get(podUid)?.trigger();
  }

  /** Ends a pod for the node's sake (eviction). */
  end(podUid: string, verdict: PodVerdict, grace_s: number): void {
    this.#workers.get(podUid)?.end(verdict, grace_s);
  }

  get(podUid: string): PodWorker | undefined {
    return this.#workers.get(podUid);
  }

  /** The pod of a name, the newest when a former one is still going. */
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

  async close(): Promise<void> {
    await Promise.all(this.list().map((worker) => worker.close()));
  }

  #begin(pod: Pod): void {
    const worker = this.#make(pod);
    if (pod.metadata.deletionTimestamp) worker.update(pod);
    else worker.trigger();
  }

  #make(pod: Pod): PodWorker {
    const worker = new PodWorker(this.#deps, this.#hooks, pod);
    this.#workers.set(worker.uid, worker);
    return worker;
  }

  #sameName(pod: Pod): boolean {
    const name = fullNameOf(pod);
    return this.list().some((worker) => fullNameOf(worker.pod) === name);
  }

  #gone(podUid: string): void {
    const worker = this.#workers.get(podUid);
    if (!worker) return;
    void worker.close();
    this.#workers.delete(podUid);
    const name = fullNameOf(worker.pod);
    const next = this.#queued.get(name);
    if (!next || this.#sameName(next)) return;
    this.#queued.delete(name);
    this.#begin(next);
  }
}
