import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Candidate, PREEMPTED } from "./preemption.ts";

export interface PreemptionClients {
  pods: ResourceClient<Pod>;
  recorder: EventRecorder;
  clock: Clock;
  /** Counts an attempt, with its victims if it found any. */
  attempted?(victims: number | undefined): void;
}

/** Writes the nominated node into the pod's status, then deletes the victims. */
export async function prepareCandidate(
  { pods, recorder, clock }: PreemptionClients,
  pod: Pod,
  { node, victims }: Candidate,
): Promise<void> {
  const nomination = { status: { nominatedNodeName: node }, metadata: { uid: pod.metadata.uid } };
  await pods.patch({ ...nameOf(pod), subresource: "status" }, "strategic", nomination);
  for (const { pod: victim } of victims) {
    if (victim.metadata.deletionTimestamp) continue;
    const { uid } = victim.metadata;
    const condition = {
      type: "DisruptionTarget",
      status: "True",
      observedGeneration: victim.metadata.generation,
      reason: PREEMPTED,
      message: `${pod.spec.schedulerName ?? ""}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: timeText(clock.now()),
    };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    try {
      await pods.patch({ ...nameOf(victim), subresource: "status" }, "strategic", patch);
      await pods.delete(nameOf(victim), { preconditions: { uid } });
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
      continue;
    }
    const message = `Preempted by pod ${pod.metadata.uid ?? ""} on node ${node}`;
    recorder.record(victim, "Normal", "Preempted", message);
  }
}
