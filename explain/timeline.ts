import type { ContainerStateTerminated, Event } from "@raft2kube/api/gen/core/v1.ts";
import { type Dated, type Moment, titleOf } from "./moment.ts";
import { type KeptSpan, tracedMoments } from "./traced-moments.ts";

/** Moments that are shown; a crash loop has no end. */
const MOMENTS_MAX = 600;
const SECOND_MS = 1_000;
/** A write of which a trace has the exact time. */
const WRITE = /^(created$|last (wrote|applied) )/;
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

/**
 * Returns what followed from one apply, in order: the last write of each manager, conditions,
 * starts and ends of containers, events, of a family: the first object and all that it owns. Most
 * of these times are whole seconds, each of its writer's clock. Where there are `spans`, their
 * steps replace the writes; a whole second then comes after the steps within it.
 */
export function timelineOf(
  family: readonly Dated[],
  events: readonly Event[],
  spans: readonly KeptSpan[] = [],
): Moment[] {
  const traced = tracedMoments(family, spans);
  const isTraced = new Set(traced.map(({ of }) => of));
  const titles = new Map(family.map((each) => [each.metadata.uid, titleOf(each)]));
  const order = ({ at_ms, took_ms }: Moment) =>
    traced.length > 0 && took_ms === undefined && at_ms % SECOND_MS === 0
      ? at_ms + SECOND_MS - 1
      : at_ms;
  // A step comes before its parts, which may start with it.
  const depth = (a: Moment, b: Moment) => (a.depth ?? 0) - (b.depth ?? 0);
  return [
    ...family.flatMap(momentsOf).filter(({ of, what }) => !isTraced.has(of) || !WRITE.test(what)),
    ...events.flatMap((event) => momentOf(event, titles.get(event.involvedObject.uid))),
    ...traced,
  ]
    .filter(({ at_ms }) => Number.isFinite(at_ms))
    .sort((a, b) => order(a) - order(b) || depth(a, b) || stageOf(a) - stageOf(b))
    .slice(0, MOMENTS_MAX);
}

/** Returns a stage's place; what is of none, is in the middle. */
function stageOf({ what }: Moment): number {
  const found = STAGES.findIndex((each) => each.test(what));
  return found === -1 ? STAGES.length / 2 : found;
}

/**
 * Returns what an object owns, also by others that it owns, and the EndpointSlices that its pods
 * are in, in the order in which they are found.
 */
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

function momentOf(event: Event, of: string | undefined): Moment[] {
  const at = event.eventTime ?? event.firstTimestamp ?? event.metadata.creationTimestamp;
  if (of === undefined || !at) return [];
  const { reason = "", message = "", count = 1, source, reportingComponent } = event;
  const who = reportingComponent || source?.component || "";
  const times = count > 1 ? ` (${count} times since)` : "";
  return [{ at_ms: Date.parse(at), of, who, what: `${reason}: ${message}${times}` }];
}

function momentsOf(object: Dated): Moment[] {
  const of = titleOf(object);
  const { creationTimestamp, managedFields = [] } = object.metadata;
  const moment = (at: string | null | undefined, who: string, what: string): Moment[] =>
    at ? [{ at_ms: Date.parse(at), of, who, what }] : [];
  const { conditions = [], containerStatuses = [] } = object.status ?? {};
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
