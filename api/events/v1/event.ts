/** Event of events.k8s.io: the same objects as core's Event, under newer names. */
import type { Event as CoreEvent } from "../../gen/core/v1.ts";
import type { Event } from "../../gen/events/v1.ts";
import { event as coreEvent } from "../../core/v1/event.ts";
import { defineKind } from "../../define.ts";
import type { FieldError } from "../../errors.ts";
import type { Kind, KubeObject } from "../../kind.ts";

/** Fields under other names: [events.k8s.io, core]. */
const RENAMED: readonly (readonly [keyof Event, keyof CoreEvent])[] = [
  ["regarding", "involvedObject"], ["note", "message"],
  ["reportingController", "reportingComponent"], ["deprecatedSource", "source"],
  ["deprecatedFirstTimestamp", "firstTimestamp"], ["deprecatedLastTimestamp", "lastTimestamp"],
  ["deprecatedCount", "count"],
];

type Fields = Record<string, unknown>;

function renamed(object: Fields, from: 0 | 1): Fields {
  const names = new Map<string, string>(RENAMED.map((pair) => [pair[from], pair[1 - from]!]));
  return Object.fromEntries(Object.entries(object).map(([key, value]) =>
    [names.get(key) ?? key, value]));
}

function toCore(object: Event): CoreEvent {
  const core = renamed(object as unknown as Fields, 0) as unknown as CoreEvent;
  core.involvedObject ??= {};
  return { ...core, kind: "Event", apiVersion: "v1" };
}

function fromCore(stored: KubeObject): Event {
  const event = renamed(stored as unknown as Fields, 1) as unknown as Event;
  return { ...event, kind: "Event", apiVersion: "events.k8s.io/v1" };
}

/** Complaints name the fields of this version. */
function inThisVersion(errors: readonly FieldError[]): FieldError[] {
  return errors.map((each) => {
    const pair = RENAMED.find(([, core]) => each.field === core ||
      each.field.startsWith(`${core}.`));
    return pair === undefined ? each
      : { ...each, field: pair[0] + each.field.slice(pair[1].length) };
  });
}

export const event: Kind<Event> = defineKind<Event>("events/v1.Event", {
  createOnUpdate: true,
  storedAs: { group: "", version: "v1", kind: "Event" },
  fromStorage: fromCore,
  toStorage: toCore,
  validate: (object, context) => inThisVersion(
    coreEvent.strategy.validateCreate(toCore(object), context)
      .filter((each) => !each.field.startsWith("metadata."))),
  columns: coreEvent.columns.map((each) => ({
    ...each, value: (object: Event, now_ms: number) => each.value(toCore(object), now_ms),
  })),
  selectableFields: {
    "regarding.kind": (object) => object.regarding?.kind ?? "",
    "regarding.namespace": (object) => object.regarding?.namespace ?? "",
    "regarding.name": (object) => object.regarding?.name ?? "",
    "regarding.uid": (object) => object.regarding?.uid ?? "",
    "regarding.apiVersion": (object) => object.regarding?.apiVersion ?? "",
    "regarding.resourceVersion": (object) => object.regarding?.resourceVersion ?? "",
    "regarding.fieldPath": (object) => object.regarding?.fieldPath ?? "",
    reason: (object) => object.reason ?? "",
    reportingController: (object) => object.reportingController ?? "",
    type: (object) => object.type ?? "",
  },
});
