import type { ContainerStateTerminated, Event, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Dated, Moment } from "./moment.ts";
import { type Traces, tracedMoments } from "./traced-moments.ts";

/** An event of the API. */
export type Report = Event;

/** Moments that are shown; a crash loop has no end. */
const MOMENTS_MAX = 600;

/**
 * Returns what followed from one apply, in order: the last write of each manager, conditions,
 * starts and ends of containers, events, of the first object and of all that it owns. Most of
 * these times are whole seconds, each of its writer's clock. Where there are `traces`, their steps
 * replace the writes; a whole second then comes after the steps within it.
 */
export function timelineOf(
  first: Dated,
  others: readonly Dated[],
  events: readonly Report[],
  traces: readonly Traces[] = [],
): Moment[] {
  const family = familyOf(first, others);
  const traced = tracedMoments(family, traces);
  const tracedNames = new Set(traced.map(({ of }) => of));
  const uids = new Map(family.map((each) => [each.metadata.uid, nameOf(each)]));
  const moments = family.flatMap((each) =>
    momentsOf(each).filter(({ what }) => !tracedNames.has(nameOf(each)) || !isWrite(what)),
  );
  for (const event of events) {
    const of = uids.get(event.involvedObject.uid);
    const at = event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp;
    if (of === undefined || !at) continue;
    const who = event.reportingComponent || event.source?.component || "";
    const times = (event.count ?? 1) > 1 ? ` (${event.count} times since)` : "";
    const what = `${event.reason ?? ""}: ${event.message ?? ""}${times}`;
    moments.push({ at_ms: Date.parse(at), of, who, what });
  }
  const order = (moment: Moment) =>
    traced.length > 0 && moment.took_ms === undefined && moment.at_ms % SECOND_MS === 0
      ? moment.at_ms + SECOND_MS - 1
      : moment.at_ms;
  // A step comes before its parts, which may start with it.
  const depth = (a: Moment, b: Moment) => (a.depth ?? 0) - (b.depth ?? 0);
  return [...moments, ...traced]
    .filter(({ at_ms }) => Number.isFinite(at_ms))
    .sort((a, b) => order(a) - order(b) || depth(a, b) || stageOf(a) - stageOf(b))
    .slice(0, MOMENTS_MAX);
}

const SECOND_MS = 1_000;

/** Whether a moment is a write of which a trace has the exact time. */
const isWrite = (what: string): boolean => /^(created$|last (wrote|applied) )/.test(what);

/** Returns an object and all that it owns, and the EndpointSlices that its pods are in. */
export const familyOf = (first: Dated, others: readonly Dated[]): Dated[] => [
  first,
  ...ownedBy(first, others),
];

/** Stages in the only order that they can have, for those within one second. */
const STAGES = [
  /^created$/,
  /^PodScheduled is True/,
  /^Scheduled:/,
  /^Pulling:/,
  /^Pulled:/,
  /^Created:/,
  /^container .* starts$/,
  /^Started:/,
  /^ContainersReady is True/,
  /^Ready is True/,
];

/** Returns a stage's place; what is of none, is in the middle. */
function stageOf({ what }: Moment): number {
  const found = STAGES.findIndex((each) => each.test(what));
  return found === -1 ? STAGES.length / 2 : found;
}

const nameOf = ({ kind, metadata }: Dated): string => `${kind} ${metadata.name ?? ""}`;

/** Returns what an object owns, also by others that it owns, in the order in which it is found. */
export function ownedBy<T extends Pick<Dated, "metadata" | "endpoints">>(
  { metadata: { uid = "" } }: Pick<Dated, "metadata">,
  others: readonly T[],
): T[] {
  const owned = new Map<string, T>();
  for (let before = -1; before !== owned.size; ) {
    before = owned.size;
    for (const each of others) {
      const { ownerReferences = [], uid: own = "" } = each.metadata;
      const isIn = (one = "") => one === uid || owned.has(one);
      const isOwned =
        ownerReferences.some((owner) => isIn(owner.uid)) ||
        each.endpoints?.some(({ targetRef }) => isIn(targetRef?.uid));
      if (isOwned && own !== uid) owned.set(own, each);
    }
  }
  return [...owned.values()];
}

function momentsOf(object: Dated): Moment[] {
  const of = nameOf(object);
  const { creationTimestamp, managedFields = [] } = object.metadata;
  const moment = (at: string | null | undefined, who: string, what: string): Moment[] =>
    at ? [{ at_ms: Date.parse(at), of, who, what }] : [];
  const { conditions = [], containerStatuses = [] } = (object.status ?? {}) as Pod["status"] & {};
  return [
    ...moment(creationTimestamp, "API server", "created"),
    ...managedFields.flatMap(({ manager = "", operation, subresource, time }) => {
      const did = operation === "Apply" ? "applied" : "wrote";
      return moment(time, manager, `last ${did} ${subresource || "it"}`);
    }),
    ...conditions.flatMap(({ type, status, lastTransitionTime: at, message }) =>
      moment(at, "condition", `${type} is ${status}${message ? `: ${message}` : ""}`),
    ),
    ...containerStatuses.flatMap(({ name, state, lastState }) =>
      [lastState?.terminated, state?.terminated, state?.running].flatMap((run) => {
        const ended = run as ContainerStateTerminated | undefined;
        return [
          ...moment(run?.startedAt, "kubelet", `container ${name} starts`),
          ...moment(ended?.finishedAt, "kubelet", `container ${name} ends with ${ended?.exitCode}`),
        ];
      }),
    ),
  ];
}
