/** Event of events.k8s.io: the same objects as core's Event, under newer names. */
import { isDeepStrictEqual } from "node:util";
import { event as coreEvent, validateEvent } from "../../core/v1/event.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required } from "../../errors.ts";
import type { Event as CoreEvent } from "../../gen/core/v1.ts";
import type { Event } from "../../gen/events/v1.ts";
import type { Kind, KubeObject } from "../../kind.ts";
import { immutable } from "../../validation/metadata.ts";

/** Fields under other names: [events.k8s.io, core]. */
const RENAMED: readonly (readonly [keyof Event, keyof CoreEvent])[] = [
  ["regarding", "involvedObject"],
  ["note", "message"],
  ["reportingController", "reportingComponent"],
  ["deprecatedSource", "source"],
  ["deprecatedFirstTimestamp", "firstTimestamp"],
  ["deprecatedLastTimestamp", "lastTimestamp"],
  ["deprecatedCount", "count"],
];

type Fields = Record<string, unknown>;

function renamed(object: Fields, from: 0 | 1): Fields {
  const names = new Map<string, string>(RENAMED.map((pair) => [pair[from], pair[1 - from]!]));
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]),
  );
}

function toCore(object: Event): CoreEvent {
  const core = renamed(object as unknown as Fields, 0) as unknown as CoreEvent;
  core.involvedObject ??= {};
  return { ...core, kind: "Event", apiVersion: "v1" };
}

function fromCore(stored: KubeObject): Event {
  const event = renamed(stored as unknown as Fields, 1) as unknown as Event;
  // In core they are there even when empty.
  if (event.reportingController === "") delete event.reportingController;
  if (event.reportingInstance === "") delete event.reportingInstance;
  return { ...event, kind: "Event", apiVersion: "events.k8s.io/v1" };
}

const EVENT_TYPES = ["Normal", "Warning"];
const SERIES_MIN = 2;
/** Deprecated fields, each with its value when it is not set. */
const UNSET: readonly (readonly [keyof CoreEvent, unknown])[] = [
  ["firstTimestamp", undefined],
  ["lastTimestamp", undefined],
  ["count", 0],
];
/** An event is immutable; only its series changes. */
const FIXED = [
  "involvedObject",
  "reason",
  "message",
  "source",
  "firstTimestamp",
  "lastTimestamp",
  "count",
  "type",
  "eventTime",
  "action",
  "related",
  "reportingComponent",
  "reportingInstance",
] as const;

function validateSeries({ series }: CoreEvent): FieldError[] {
  if (series === undefined) return [];
  return [
    ...((series.count ?? 0) < SERIES_MIN
      ? [invalid("series.count", "", `should be at least ${SERIES_MIN}`)]
      : []),
    ...(series.lastObservedTime === undefined ? [required("series.lastObservedTime")] : []),
  ];
}

/** Complaints name core's fields, as upstream's do. */
function validateCreate(event: CoreEvent): FieldError[] {
  const errors = validateSeries(event);
  if (event.eventTime === undefined) errors.push(required("eventTime"));
  if (!EVENT_TYPES.includes(event.type ?? "")) {
    errors.push(invalid("type", "", `has invalid value: ${event.type ?? ""}`));
  }
  errors.push(
    ...UNSET.filter(([name, unset]) => (event[name] ?? unset) !== unset).map(([name]) =>
      invalid(name, "", "needs to be unset"),
    ),
  );
  if (event.source?.component || event.source?.host) {
    errors.push(invalid("source", "", "needs to be unset"));
  }
  return errors;
}

const validateUpdate = (event: CoreEvent, old: CoreEvent): FieldError[] => [
  ...(isDeepStrictEqual(event.series, old.series) ? [] : validateSeries(event)),
  ...FIXED.flatMap((name) =>
    immutable(name === "reportingComponent" ? "reportingController" : name, event[name], old[name]),
  ),
];

export const event: Kind<Event> = defineKind<Event>("events/v1.Event", {
  createOnUpdate: true,
  storedAs: { group: "", version: "v1", kind: "Event" },
  fromStorage: fromCore,
  toStorage: toCore,
  validate: (object) => validateEvent(toCore(object), "reportingController"),
  validateCreate: (object) => validateCreate(toCore(object)),
  validateUpdate: (object, old) => validateUpdate(toCore(object), toCore(old)),
  columns: coreEvent.columns.map((each) => ({
    ...each,
    value: (object: Event, now_ms: number) => each.value(toCore(object), now_ms),
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
