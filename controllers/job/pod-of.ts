import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import {
  allFailuresOf,
  COMPLETION_INDEX,
  FAILURES,
  failuresOf,
  IGNORED_FAILURES,
  TRACKING,
} from "./job-pods.ts";
import { judgeFailure } from "./policies.ts";

export const JOB_TYPE = { apiVersion: "batch/v1", kind: "Job" };
const INDEX_ENV = "JOB_COMPLETION_INDEX";
/** Characters of a generated name before its random part. */
const GENERATE_NAME_MAX = 58;

/**
 * The pod of a job, tracked and owned by it; of an index when the job is Indexed, after `last`, the
 * pod that failed there.
 */
export function podOf(job: Job, index?: number, last?: Pod): Pod {
  const { metadata = {}, spec = { containers: [] } } = structuredClone(job.spec.template);
  const { labels, annotations, finalizers = [] } = metadata;
  const name = job.metadata.name ?? "";
  const pod: Pod = {
    metadata: {
      namespace: job.metadata.namespace,
      generateName: `${name}-`,
      labels,
      annotations,
      finalizers: finalizers.includes(TRACKING) ? finalizers : [...finalizers, TRACKING],
      ownerReferences: [controllerReference(job, JOB_TYPE)],
    },
    spec,
  };
  if (index === undefined) return pod;
  const own = { [COMPLETION_INDEX]: String(index) };
  pod.metadata.labels = { ...labels, ...own };
  pod.metadata.annotations = { ...annotations, ...own, ...failureCounts(job, last) };
  const end = `-${index}-`;
  pod.metadata.generateName = name.slice(0, GENERATE_NAME_MAX - end.length) + end;
  pod.spec = {
    ...spec,
    hostname: `${name}-${index}`,
    containers: spec.containers.map(withIndex),
    ...(spec.initContainers && { initContainers: spec.initContainers.map(withIndex) }),
  };
  return pod;
}

function withIndex(container: Container): Container {
  const { env = [] } = container;
  if (env.some(({ name }) => name === INDEX_ENV)) return container;
  const fieldRef = { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` };
  return { ...container, env: [...env, { name: INDEX_ENV, valueFrom: { fieldRef } }] };
}

/** How often its index has failed, with a limit per index. */
function failureCounts({ spec }: Job, last: Pod | undefined): Record<string, string> {
  if (spec.backoffLimitPerIndex === undefined) return {};
  if (last === undefined) return { [FAILURES]: "0" };
  const { counts } = judgeFailure(spec.podFailurePolicy, last);
  const failures = failuresOf(last) + (counts ? 1 : 0);
  const ignored = allFailuresOf(last) - failuresOf(last) + (counts ? 0 : 1);
  return {
    [FAILURES]: String(failures),
    ...(ignored > 0 && { [IGNORED_FAILURES]: String(ignored) }),
  };
}
