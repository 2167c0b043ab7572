import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOfKey } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { JOBS, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byController, CONTROLLER_INDEX, controlledBy } from "../indexes.ts";
import { finishedCondition } from "../job-state.ts";
import { startLoop } from "../loop.ts";
import { type JobControl, stopTracking } from "./apply.ts";
import { isTracked } from "./job-pods.ts";
import { isManagedHere, jobKeyOf } from "./watch.ts";

/**
 * Releases tracked pods that no job counts: their job is gone or finished, or they have none. The
 * job is read from the server: an informer that lags would show none either.
 */
export function startOrphans(context: ControllerContext, control: JobControl): Running {
  const jobs = context.informers.of(JOBS);
  const pods = context.informers.of(PODS);
  pods.index(CONTROLLER_INDEX, byController);

  const reconcile = async (key: string) => {
    const pod = pods.store.get(key);
    if (!pod || !isTracked(pod) || (await isCounted(control, pod))) return;
    await undefinedIfNotFound(stopTracking(control, pod));
  };

  const loop = startLoop(context, {
    queue: "job_orphan_pod",
    name: "job-orphans",
    reads: [jobs, pods],
    reconcile,
  });
  const lookAt = (pod: Pod) => {
    if (!isTracked(pod)) return;
    const owner = jobKeyOf(pod);
    const job = owner === undefined ? undefined : jobs.store.get(owner);
    if (job && job.metadata.uid === controllerOf(pod)?.uid && !finishedCondition(job)) return;
    loop.queue.add(keyOf(pod));
  };
  const lookAtPods = (job: Job) => controlledBy(pods.store, job).forEach(lookAt);
  pods.handle({ added: lookAt, updated: lookAt });
  jobs.handle({
    updated: (job) => {
      if (finishedCondition(job)) lookAtPods(job);
    },
    deleted: lookAtPods,
  });
  return loop;
}

/** Whether a job, or another kind of owner, still has something to do with the pod. */
async function isCounted({ jobs }: JobControl, pod: Pod): Promise<boolean> {
  const owner = controllerOf(pod);
  if (owner === undefined) return false;
  const key = jobKeyOf(pod);
  if (key === undefined) return true;
  try {
    const job = await jobs.get(nameOfKey(key));
    return job.metadata.uid === owner.uid && (!isManagedHere(job) || !finishedCondition(job));
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
    return false;
  }
}
