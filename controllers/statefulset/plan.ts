import type { ControllerRevision, StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  isPodAvailable,
  isPodReady,
  isPodTerminal,
} from "@raft2kube/client-kube/object/pod-state.ts";
import { templateOf } from "../history/plan.ts";
import { STATEFUL_CLAIMS_BURST, STATEFUL_PODS_BURST } from "../limits.ts";
import {
  claimNamesOf,
  hasIdentity,
  isWanted,
  ordinalOf,
  ordinalsOf,
  podOf,
  revisionOf,
} from "./identity.ts";
import { isClaimStale, planRetention } from "./retention.ts";

/** A StatefulSet, its pods and its revisions. */
export interface StatefulView {
  set: StatefulSet;
  pods: readonly Pod[];
  /** The revision that pods below the partition, or not updated yet, are made from. */
  current: ControllerRevision;
  /** The revision of the template of now. */
  update: ControllerRevision;
  claim(name: string): PersistentVolumeClaim | undefined;
  now_ms: number;
}

/** One thing to do about one pod. */
export interface Task {
  /**
   * `retain` gives a pod's claims their owners, `claims` makes missing ones too, `repair` gives
   * the pod its labels and volumes besides.
   */
  do: "create" | "delete" | "retain" | "claims" | "repair";
  pod: Pod;
  ordinal: number;
}

/** Tasks of a step. The stages follow each other; OrderedReady does one task after the other. */
export type StatefulPlan = { stages: Task[][] };

type PodWithOrdinal = { pod: Pod; ordinal: number };

/**
 * Plans the next step of a StatefulSet, as upstream: pods in the order of their ordinals, each when
 * all before it are available; then those that are too many, the last first; then the update of one
 * pod. With Parallel no pod waits for another, except for the update; a step creates at most
 * STATEFUL_PODS_BURST pods, with STATEFUL_CLAIMS_BURST claims or one pod, and their events bring
 * the set back for the others. The work is bounded by that and by what exists, not by `replicas`.
 */
export function planStep(view: StatefulView): StatefulPlan {
  const { set } = view;
  const none: StatefulPlan = { stages: [] };
  if (set.metadata.deletionTimestamp) return none;
  const isOrdered = set.spec.podManagementPolicy !== "Parallel";
  const { start, count } = ordinalsOf(set);
  const placed = placedPods(view);
  const byOrdinal = new Map(placed.map((each) => [each.ordinal, each.pod]));
  const wanted: Task[] = [];
  const claims = set.spec.volumeClaimTemplates?.length ?? 0;
  const most = Math.min(STATEFUL_PODS_BURST, Math.ceil(STATEFUL_CLAIMS_BURST / claims));
  let created = 0;
  for (let place = 0; place < count && created < most; place++) {
    const ordinal = start + place;
    const { tasks, blocks } = planReplica(view, ordinal, byOrdinal.get(ordinal));
    wanted.push(...tasks);
    if (blocks && isOrdered) return { stages: [wanted] };
    created += tasks.filter((task) => task.do === "create").length;
  }
  const condemned = placed
    .filter(({ ordinal }) => !isWanted(set, ordinal))
    .sort((a, b) => b.ordinal - a.ordinal);
  const retained = condemned
    .filter(({ pod, ordinal }) => !claimsMatch(view, pod, ordinal))
    .map((each): Task => ({ do: "retain", ...each }));
  const { tasks: gone, blocks } = planCondemned(view, condemned, isOrdered);
  const stages = [wanted, retained, gone];
  if (blocks || set.spec.updateStrategy?.type === "OnDelete") return { stages };
  return { stages: [...stages, planUpdate(view, byOrdinal)] };
}

/** The pods that have an ordinal of the set. */
export function placedPods({ set, pods }: StatefulView): PodWithOrdinal[] {
  return pods.flatMap((pod) => {
    const ordinal = ordinalOf(set, pod);
    return ordinal === undefined ? [] : [{ pod, ordinal }];
  });
}

/** `blocks`: in order, the next ordinals must wait. */
function planReplica(
  view: StatefulView,
  ordinal: number,
  pod: Pod | undefined,
): { tasks: Task[]; blocks: boolean } {
  const { set } = view;
  if (!pod) {
    const made = newPod(view, ordinal);
    const stale = claimsIn(view, ordinal).some((claim) => isClaimStale(set, made, claim));
    return { tasks: stale ? [] : [{ do: "create", pod: made, ordinal }], blocks: true };
  }
  if (isPodTerminal(pod)) {
    return { tasks: isTerminating(pod) ? [] : [{ do: "delete", pod, ordinal }], blocks: true };
  }
  const tasks: Task[] = [];
  if (pod.status?.phase === "Pending" && !claimsComplete(view, pod, ordinal)) {
    tasks.push({ do: "claims", pod, ordinal });
  }
  const isOrdered = set.spec.podManagementPolicy !== "Parallel";
  if (isOrdered && !isAvailable(view, pod)) return { tasks, blocks: true };
  if (!hasIdentity(set, pod, ordinal) || !claimsMatch(view, pod, ordinal)) {
    tasks.push({ do: "repair", pod, ordinal });
  }
  return { tasks, blocks: false };
}

/**
 * Plans the deletion of condemned pods one at a time: the last first, when all others are
 * available.
 */
function planCondemned(
  view: StatefulView,
  condemned: readonly PodWithOrdinal[],
  isOrdered: boolean,
): { tasks: Task[]; blocks: boolean } {
  if (!isOrdered) {
    const staying = condemned
      .filter(({ pod }) => !isTerminating(pod))
      .slice(0, STATEFUL_PODS_BURST);
    return { tasks: staying.map((each): Task => ({ do: "delete", ...each })), blocks: false };
  }
  const [last] = condemned;
  if (!last) return { tasks: [], blocks: false };
  const firstUnavailable = [...condemned].reverse().find(({ pod }) => !isAvailable(view, pod));
  const isNext = isAvailable(view, last.pod) || last === firstUnavailable;
  const mayGo = !isTerminating(last.pod) && isNext;
  return { tasks: mayGo ? [{ do: "delete", ...last }] : [], blocks: true };
}

/** The last pod that is not of the newest revision, when all after it are available. */
function planUpdate(view: StatefulView, byOrdinal: ReadonlyMap<number, Pod>): Task[] {
  const { set, update } = view;
  const { start, count } = ordinalsOf(set);
  const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
  for (let ordinal = start + count - 1; ordinal >= start + partition; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) return [];
    const isOld = revisionOf(pod) !== update.metadata.name;
    if (isOld && !isTerminating(pod)) return [{ do: "delete", pod, ordinal }];
    if (!isAvailable(view, pod)) return [];
  }
  return [];
}

/**
 * A new pod below the partition is of the current revision, any other of the newest, and so is each
 * when the current revision holds no template.
 */
function newPod({ set, current, update }: StatefulView, ordinal: number): Pod {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  const { start } = ordinalsOf(set);
  const before = rollingUpdate
    ? (rollingUpdate.partition ?? 0)
    : type === "RollingUpdate"
      ? (set.status?.currentReplicas ?? 0)
      : 0;
  const held = ordinal < start + before ? templateOf(current) : undefined;
  const revision = held ? current : update;
  const template = held ?? templateOf(update) ?? set.spec.template;
  return podOf({ ...set, spec: { ...set.spec, template } }, ordinal, revision.metadata.name ?? "");
}

function claimsIn(view: StatefulView, ordinal: number): PersistentVolumeClaim[] {
  return claimNamesOf(view.set, ordinal).flatMap((name) => view.claim(name) ?? []);
}

/** Whether the owners of the claims that are there are as the retention policy has them. */
function claimsMatch(view: StatefulView, pod: Pod, ordinal: number): boolean {
  return claimsIn(view, ordinal).every(
    (claim) => planRetention(view.set, pod, ordinal, claim).owners === undefined,
  );
}

function claimsComplete(view: StatefulView, pod: Pod, ordinal: number): boolean {
  const wanted = view.set.spec.volumeClaimTemplates?.length ?? 0;
  return claimsIn(view, ordinal).length === wanted && claimsMatch(view, pod, ordinal);
}

const isTerminating = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;

/** Whether a pod runs, has been ready for minReadySeconds, and is not being deleted. */
const isAvailable = ({ set, now_ms }: StatefulView, pod: Pod): boolean =>
  !isTerminating(pod) &&
  pod.status?.phase === "Running" &&
  isPodReady(pod) &&
  isPodAvailable(pod, set.spec.minReadySeconds ?? 0, now_ms);
