import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Namespace, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import type { Expectations } from "../expectations.ts";
import { NAMESPACE_INDEX } from "../indexes.ts";
import { JOB_BATCH_MS } from "../limits.ts";
import { Selecting } from "../selecting.ts";
import { ownerIn } from "../watch-dependents.ts";
import { JOB_TYPE } from "./pod-of.ts";

const THIS_CONTROLLER = "kubernetes.io/job-controller";

/** Whether this controller runs the job, and not one that its spec names. */
export function isManagedHere({ spec }: Job): boolean {
  return (spec.managedBy ?? THIS_CONTROLLER) === THIS_CONTROLLER;
}

/** The job that controls a pod, by name; its uid is not compared. */
export function jobKeyOf(pod: Pod): string | undefined {
  const owner = controllerOf(pod);
  if (owner?.kind !== JOB_TYPE.kind || owner.apiVersion !== JOB_TYPE.apiVersion) return undefined;
  return `${pod.metadata.namespace ?? ""}/${owner.name}`;
}

/** A changed spec is reconciled now, a changed status with the next other event. */
export function watchJobs(
  jobs: Informer<Job>,
  queue: WorkQueue,
  forget: (key: string) => void,
): void {
  jobs.handle({
    added: (job) => queue.add(keyOf(job)),
    updated(job, old) {
      if (job.metadata.uid !== old.metadata.uid) forget(keyOf(old));
      const { generation } = job.metadata;
      queue.addAfter(keyOf(job), generation === old.metadata.generation ? JOB_BATCH_MS : 0);
    },
    deleted(job) {
      forget(keyOf(job));
      // Reconciling a deleted object ends the delay until its deadline.
      queue.add(keyOf(job));
    },
  });
}

/** Whether no pod is made in a namespace any more. */
export const isEnding = (namespace: Namespace | undefined): boolean =>
  namespace?.metadata.deletionTimestamp !== undefined;

/** Reconciles the jobs of a namespace that is being deleted. */
export function watchNamespaces(
  namespaces: Informer<Namespace>,
  jobs: Informer<Job>,
  queue: WorkQueue,
): void {
  namespaces.handle({
    updated(namespace) {
      if (!isEnding(namespace)) return;
      const own = jobs.store.by(NAMESPACE_INDEX, namespace.metadata.name ?? "");
      for (const job of own) queue.add(keyOf(job));
    },
  });
}

/** Puts the jobs that a change of a pod concerns into the queue. */
export function watchJobPods(
  pods: Informer<Pod>,
  jobs: Informer<Job>,
  expectations: Expectations,
  queue: WorkQueue,
): void {
  const look = (key: string) => queue.addAfter(key, JOB_BATCH_MS);
  const orphans = new Selecting<Job, Pod>({
    owners: jobs,
    selects: ({ spec }, { metadata }) => matchesSelector(spec.selector, metadata.labels),
    found: look,
  });
  const lookAt = (pod: Pod) => {
    const owner = jobKeyOf(pod);
    if (owner !== undefined) look(owner);
    else if (!controllerOf(pod)) orphans.changed(pod);
  };
  const ownerOf = (pod: Pod) => ownerIn(jobs.store, JOB_TYPE.kind, pod);
  const leaving = (pod: Pod) => {
    const owner = ownerOf(pod);
    if (owner) expectations.deletionObserved(owner, keyOf(pod));
  };
  pods.handle({
    added(pod) {
      const owner = ownerOf(pod);
      if (pod.metadata.deletionTimestamp) leaving(pod);
      else if (owner) expectations.creationObserved(owner);
      lookAt(pod);
    },
    updated(pod, old) {
      if (pod.metadata.deletionTimestamp) leaving(pod);
      const before = jobKeyOf(old);
      if (before !== undefined && before !== jobKeyOf(pod)) look(before);
      lookAt(pod);
    },
    deleted(pod) {
      leaving(pod);
      lookAt(pod);
    },
  });
}
