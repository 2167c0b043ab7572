import type { Handler } from "@raft2kube/client-kube/informer/copy.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import type { Reconcile } from "@raft2kube/reconcile/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import type { ControllerContext, Running } from "./context.ts";
import { WORKERS } from "./limits.ts";

export interface LoopOptions {
  name: string;
  /** The queue's name in metrics, upstream's. Default `name`. */
  queue?: string;
  /** Work starts when all of these have their first list. */
  reads: Pick<Informer<KubeObject>, "synced">[];
  workers?: number;
  reconcile: Reconcile;
}

/** A reconciler at work. Handlers of informers add keys to its queue. */
export interface Loop extends Running {
  readonly queue: WorkQueue;
}

/** Starts a reconciler over a queue of its own, once its informers are in step. */
export function startLoop(context: ControllerContext, options: LoopOptions): Loop {
  const { name, reads, workers = WORKERS, reconcile } = options;
  const observer = context.metrics.queues.follow(options.queue ?? name);
  const queue = new WorkQueue({ clock: context.clock, observer, workers });
  let end: () => void = () => {};
  const ended = new Promise<"ended">((resolve) => {
    end = () => resolve("ended");
  });
  const run = async () => {
    const synced = Promise.all(reads.map((informer) => informer.synced));
    if ((await Promise.race([synced, ended])) === "ended") return;
    await runWorkers(name, queue, reconcile);
  };
  const running = run();
  return {
    queue,
    async close() {
      end();
      queue.close();
      await running;
    },
  };
}

/** Closes several parts of one controller. */
export const closeAll = (...parts: Running[]): Running => ({
  async close() {
    await Promise.all(parts.map((part) => part.close()));
  },
});

/** A handler that puts every object that is new, changed or gone into a queue by its key. */
export function everyChange(queue: WorkQueue): Handler<KubeObject> {
  const look = (object: KubeObject) => queue.add(keyOf(object));
  return { added: look, updated: look, deleted: look };
}
