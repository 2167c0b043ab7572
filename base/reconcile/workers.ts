import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import type { WorkQueue } from "./workqueue.ts";

/** Brings one object nearer to its desired state. May ask to be called again after a time. */
export type Reconcile = (key: string) => Promise<{ again_ms: number } | void>;

export interface WorkersOptions {
  /** The component, in the log. */
  readonly name: string;
  readonly queue: WorkQueue;
  readonly reconcile: Reconcile;
  /**
   * Whether a failure is part of normal operation, such as a lost race: it is not a warning.
   * `failures` is the key's number of them in a row.
   */
  isExpected(thrown: unknown, failures: number): boolean;
}

/**
 * Runs a reconciler over a queue with its workers, until the queue is closed; resolves when the
 * last worker has finished. A failure is logged and its key tried again with back-off. Keys for
 * which nothing is written wait for no I/O: others use the event loop between slices of them.
 */
export async function runWorkers(options: WorkersOptions): Promise<void> {
  const { name, queue, reconcile, isExpected } = options;
  const log = logger(name);
  const slices = new Slices();
  const work = async () => {
    for (;;) {
      if (slices.due) await slices.pause();
      const key = await queue.take();
      if (key === undefined) return;
      try {
        const result = await reconcile(key);
        queue.forget(key);
        if (result) queue.addAfter(key, result.again_ms);
      } catch (thrown) {
        const fields = { key, error: messageOf(thrown), failures: queue.failures(key) + 1 };
        if (isExpected(thrown, fields.failures)) log.debug("out of date, trying again", fields);
        else log.warn("failed, trying again", fields);
        queue.addRateLimited(key);
      } finally {
        queue.done(key);
      }
    }
  };
  await Promise.all(Array.from({ length: queue.workers }, work));
}
