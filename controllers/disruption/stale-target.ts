import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { isPodTerminal, podCondition } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeOf, timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { DISRUPTION_TARGET_MS } from "../limits.ts";
import { startLoop } from "../loop.ts";

const TARGET = "DisruptionTarget";
/** A kubelet may take any time from its word to the pod's end. */
const BY_KUBELET = "TerminationByKubelet";

/**
 * Returns the time until a pod's DisruptionTarget condition is stale because the pod was not
 * deleted; undefined without the condition, or if it is still valid.
 */
export function staleIn_ms(pod: Pod, now_ms: number): number | undefined {
  const condition = podCondition(pod, TARGET);
  if (condition?.status !== "True" || condition.reason === BY_KUBELET) return undefined;
  if (pod.metadata.deletionTimestamp !== undefined || isPodTerminal(pod)) return undefined;
  const since_ms = timeOf(condition.lastTransitionTime) ?? now_ms;
  return Math.max(0, since_ms + DISRUPTION_TARGET_MS - now_ms);
}

/** Takes back marks of disruption that nothing came of. */
export function startStaleTargets(
  context: ControllerContext,
  account: string,
  client: KubeClient,
): Running {
  const pods = context.informers.of(PODS);
  const writer = client.resource(PODS);
  const reconcile = async (key: string) => {
    const pod = pods.store.get(key);
    const again_ms = pod && staleIn_ms(pod, context.clock.now());
    if (pod === undefined || again_ms === undefined) return;
    if (again_ms > 0) return { again_ms };
    // A write that came first brings an event, which syncs the object again.
    await ignoreLostRace(writer.updateStatus(withoutMark(pod, context.clock.now())));
  };
  const name = `${account} stale`;
  const loop = startLoop(context, {
    queue: "stale_pod_disruption",
    name,
    reads: [pods],
    workers: 1,
    reconcile,
  });
  const look = (pod: Pod) => {
    if (staleIn_ms(pod, context.clock.now()) !== undefined) loop.queue.add(keyOf(pod));
  };
  pods.handle({ added: look, updated: look });
  return loop;
}

/** The pod with its mark false, as of the generation that is seen. */
export function withoutMark(pod: Pod, now_ms: number): Pod {
  const observedGeneration = pod.metadata.generation;
  const lastTransitionTime = timeText(now_ms);
  const conditions = (pod.status?.conditions ?? []).map((each) =>
    each.type === TARGET
      ? { type: TARGET, status: "False", observedGeneration, lastTransitionTime }
      : each,
  );
  return { ...pod, status: { ...pod.status, conditions } };
}
