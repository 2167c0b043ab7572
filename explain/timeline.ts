import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import type { Skews } from "@raft2kube/client-kube/object/node-clock.ts";
import { type Dated, type Moment, notBefore, titleOf } from "./moment.ts";
import { type KeptSpan, tracedMoments } from "./traced-moments.ts";

/** Moments that are shown; a crash loop has no end. */
const MOMENTS_MAX = 600;
const SECOND_MS = 1_000;

/**
 * Returns what followed from one apply, in order, for a family: the first object and all that it
 * owns, owners first. Creations, events and conditions have times in whole seconds; those of a
 * second are in that order. Where there are `spans`, their steps replace the creations; a whole
 * second then comes after the steps within it. The times of nodes are corrected by `skews`.
 */
export function timelineOf(
  family: readonly Dated[],
  events: readonly Event[],
  spans: readonly KeptSpan[] = [],
  skews: Skews = new Map(),
): Moment[] {
  const traced = tracedMoments(family, spans);
  const isTraced = new Set(traced.map(({ of }) => of));
  const eventsOf = Map.groupBy(events, ({ involvedObject }) => involvedObject.uid);
  const order = ({ at_ms, took_ms }: Moment) =>
    traced.length > 0 && took_ms === undefined && at_ms % SECOND_MS === 0
      ? at_ms + SECOND_MS - 1
      : at_ms;
  // A step comes before its parts, which may start with it.
  return [
    ...family
      .filter((each) => !isTraced.has(titleOf(each)))
      .map((each) => moment(each, each.metadata.creationTimestamp, "API server", "created")),
    ...family.flatMap((each) =>
      (eventsOf.get(each.metadata.uid) ?? []).map((event) => momentOf(each, event, skews)),
    ),
    // An owner's conditions follow from those of what it owns.
    ...family.toReversed().flatMap((each) => conditionsOf(each, skews)),
    ...traced,
  ]
    .filter(({ at_ms }) => Number.isFinite(at_ms))
    .sort((a, b) => order(a) - order(b) || (a.depth ?? 0) - (b.depth ?? 0))
    .slice(0, MOMENTS_MAX);
}

/** Returns a moment by the API server's clock; `skew_ms` is that of the clock that dated it. */
function moment(object: Dated, at: Event["eventTime"], who: string, what: string, skew_ms = 0) {
  const at_ms = Date.parse(at ?? "") - skew_ms;
  // A node runs a static pod before the API shows it.
  const created = isMirrorPod(object) ? undefined : object.metadata.creationTimestamp;
  return notBefore(Date.parse(created ?? ""), { at_ms, of: titleOf(object), who, what });
}

function momentOf(object: Dated, event: Event, skews: Skews): Moment {
  const at = event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp;
  const { reason = "", message = "", count = 1, source, reportingComponent } = event;
  const who = reportingComponent || source?.component || "";
  const times = count > 1 ? ` (${count} times since)` : "";
  return moment(object, at, who, `${reason}: ${message}${times}`, skews.get(source?.host ?? ""));
}

/** Returns the conditions as moments; a pod's are dated by its node, but for PodScheduled. */
const conditionsOf = (object: Dated, skews: Skews): Moment[] =>
  (object.status?.conditions ?? []).map(({ type, status, lastTransitionTime: at, message }) => {
    const skew_ms = type === "PodScheduled" ? 0 : skews.get(object.spec?.nodeName ?? "");
    const what = `${type} is ${status}${message ? `: ${message}` : ""}`;
    return moment(object, at, "condition", what, skew_ms);
  });

/** Returns what an object owns, through others too, and its pods' EndpointSlices, as found. */
export function ownedBy<T extends Pick<Dated, "metadata" | "endpoints">>(
  { metadata: { uid = "" } }: Pick<Dated, "metadata">,
  others: readonly T[],
): T[] {
  const owned = new Map<string, T>();
  const isIn = (one = "") => one === uid || owned.has(one);
  for (let before = -1; before !== owned.size; ) {
    before = owned.size;
    for (const each of others) {
      const { ownerReferences = [], uid: own = "" } = each.metadata;
      const isOwned =
        ownerReferences.some((owner) => isIn(owner.uid)) ||
        each.endpoints?.some(({ targetRef }) => isIn(targetRef?.uid));
      if (isOwned && own !== uid) owned.set(own, each);
    }
  }
  return [...owned.values()];
}
