import { type Reconcile, runWorkers as runAnyWorkers } from "@raft2kube/reconcile/workers.ts";
import type { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { isConflict, isNamespaceTerminating, isNotFound } from "./errors.ts";

/**
 * Runs a reconciler of API objects over a queue (`base/reconcile/workers.ts`). A conflict is
 * expected: another writer was faster, and the informer delivers the newer state. So is, once, an
 * object that is not found: the informer delivers its deletion.
 */
export function runWorkers(name: string, queue: WorkQueue, reconcile: Reconcile): Promise<void> {
  const isExpected = (thrown: unknown, failures: number) =>
    isConflict(thrown) || isNamespaceTerminating(thrown) || (isNotFound(thrown) && failures === 1);
  return runAnyWorkers({ name, queue, reconcile, isExpected });
}
