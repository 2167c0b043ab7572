import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { JOBS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { JOB_LOOK_MS } from "../limits.ts";
import { everyChange, startLoop } from "../loop.ts";
import { expiresAt_ms } from "./plan.ts";

const ACCOUNT = "ttl-after-finished-controller";

/** Deletes finished jobs, with their pods, when their time is over. */
export function startTtlAfterFinished(context: ControllerContext): Running {
  const { clock } = context;
  const jobs = context.informers.of(JOBS);
  const writer = context.client(ACCOUNT).resource(JOBS);

  const reconcile = async (key: string) => {
    const job = jobs.store.get(key);
    const left_ms = job === undefined ? undefined : timeLeft(job);
    if (job === undefined || left_ms === undefined) return;
    if (left_ms > 0) return { again_ms: Math.min(left_ms, JOB_LOOK_MS) };
    try {
      // The time may have been changed since: what the server has decides.
      const fresh = await writer.get(nameOf(job));
      if ((timeLeft(fresh) ?? Infinity) > 0) return;
      const preconditions = { uid: fresh.metadata.uid };
      await writer.delete(nameOf(job), { propagationPolicy: "Foreground", preconditions });
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
    }
  };
  const timeLeft = (job: Job) => {
    const end_ms = expiresAt_ms(job);
    return end_ms === undefined ? undefined : end_ms - clock.now();
  };

  const loop = startLoop(context, {
    queue: "ttl_jobs_to_delete",
    name: ACCOUNT,
    reads: [jobs],
    reconcile,
  });
  jobs.handle(everyChange(loop.queue));
  return loop;
}
