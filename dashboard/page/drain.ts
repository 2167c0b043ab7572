import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict, isNotFound, KubeError } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { allEnded, delay } from "@raft2kube/std/wait.ts";
import { type AnyObject, resource } from "./api.ts";
import type { Target } from "./kinds.ts";

/** Shows a line of what an action does. */
type Report = (line: string) => void;

/** The effect of an action on an object, as a person confirms it, and how it is run. */
export interface Plan {
  effect: readonly string[];
  /** A number to enter: its label, and the present one. */
  number?: readonly [label: string, now: string];
  run(report: Report, value: string): Promise<unknown>;
}

const RETRY_MS = 5_000;
const TRIES_MAX = 60;

/** Whether a pod is the node's own, so that a drain leaves it. */
const isOfNode = (pod: Pod) => isMirrorPod(pod) || controllerOf(pod)?.kind === "DaemonSet";

const podsOn = async ({ metadata: { name } }: AnyObject) =>
  (await resource<Pod>(PODS).list({ fieldSelector: `spec.nodeName=${name}` })).items;

/** Says what a drain does, and returns how to do it. */
export async function drain({ object }: Target): Promise<Plan> {
  const lines = (await podsOn(object)).map((pod) => {
    if (isOfNode(pod)) return `${keyOf(pod)} stays: it belongs to the node`;
    const loses = pod.spec.volumes?.some(({ emptyDir }) => emptyDir);
    const isAlone = !isPodTerminal(pod) && !pod.metadata.ownerReferences?.length;
    const data = loses ? "; the data in its emptyDir is lost" : "";
    return `${keyOf(pod)} is evicted${data}${isAlone ? "; no controller makes it again" : ""}`;
  });
  return { effect: ["The node is cordoned.", ...lines], run: (report) => evictAll(object, report) };
}

/**
 * Cordons the node, then evicts its pods; one that a budget protects is tried again, and keeps no
 * other from its eviction. The first failure is thrown after all.
 */
async function evictAll(node: AnyObject, report: Report): Promise<void> {
  await resource(NODES).patch(nameOf(node), "merge", { spec: { unschedulable: true } });
  const pods = (await podsOn(node)).filter((pod) => !isOfNode(pod));
  const evicted = pods.map(async (pod) => {
    for (let tries = 0; ; tries++) {
      try {
        await evict(pod);
        return report(`${keyOf(pod)} is evicted`);
      } catch (thrown) {
        const isProtected = thrown instanceof KubeError && thrown.http === 429;
        if (!isProtected || tries === TRIES_MAX) throw thrown;
        report(`${keyOf(pod)} waits: ${thrown.message}`);
        await delay(systemClock(), RETRY_MS);
      }
    }
  });
  await allEnded(evicted);
}

async function evict(pod: Pod): Promise<void> {
  const metadata = nameOf(pod);
  const deleteOptions = { preconditions: { uid: pod.metadata.uid } };
  const body = { apiVersion: "policy/v1", kind: "Eviction", metadata, deleteOptions };
  // One that is gone, or another by now, has ended meanwhile.
  const isGone = (thrown: unknown) => isNotFound(thrown) || isConflict(thrown);
  await tolerate(resource(PODS).createSubresource(metadata, "eviction", body), isGone);
}
