/** Event: what happened to an object; kept for an hour. Stored for both groups in this form. */

import { age, column, UNKNOWN, wide } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required } from "../../errors.ts";
import type { Event } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { invalidBy } from "../../validation/checks.ts";
import { dnsSubdomain, pathSegment, qualifiedName } from "../../validation/names.ts";

/** Namespaces of events of cluster-wide objects. */
const OLD_PLACES = ["", "default"];
const NEW_PLACES = ["default", "kube-system"];
const ACTION_BYTES_MAX = 128;
const NOTE_BYTES_MAX = 1024;

function firstSeen(event: Event, now_ms: number): string {
  return age(event.firstTimestamp ?? event.eventTime, now_ms);
}

function lastSeen(event: Event, now_ms: number): string {
  if (event.series !== undefined) return age(event.series.lastObservedTime, now_ms);
  return event.lastTimestamp === undefined
    ? firstSeen(event, now_ms)
    : age(event.lastTimestamp, now_ms);
}

function objectCell({ involvedObject: { kind = "", name = "" } }: Event): string {
  return name === "" ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`;
}

function sourceCell(event: Event): string {
  const component = event.source?.component || event.reportingComponent || "";
  const instance = event.source?.host || event.reportingInstance;
  return instance === "" || instance === undefined ? component : `${component}, ${instance}`;
}

/**
 * An event lies in the namespace of its object; that of a cluster-wide object in a system one. Of
 * an event in the new style, which carries `eventTime`, only the latter is asked.
 */
function validatePlace(event: Event): FieldError[] {
  const { namespace: place = "" } = event.metadata;
  const { namespace: object = "" } = event.involvedObject;
  const places = event.eventTime === undefined ? OLD_PLACES : NEW_PLACES;
  const right =
    object === "" ? places.includes(place) : event.eventTime !== undefined || object === place;
  return right
    ? []
    : [invalid("involvedObject.namespace", object, "does not match event.namespace")];
}

/** The rules of the new style; `controller` is the name that the version has for that field. */
function validateNewStyle(event: Event, controller: string): FieldError[] {
  if (event.eventTime === undefined) return [];
  const errors: FieldError[] = [];
  const { reportingComponent: reporter = "", reportingInstance: instance = "" } = event;
  if (reporter === "") errors.push(required(controller));
  errors.push(...invalidBy(qualifiedName, controller, reporter));
  if (instance === "") errors.push(required("reportingInstance"));
  for (const [name, value = "", limit] of [
    ["reportingInstance", instance, ACTION_BYTES_MAX],
    ["action", event.action, ACTION_BYTES_MAX],
    ["reason", event.reason, ACTION_BYTES_MAX],
    ["message", event.message, NOTE_BYTES_MAX],
  ] as const) {
    if (value.length > limit) {
      errors.push(invalid(name, "", `can have at most ${limit} characters`));
    }
  }
  if ((event.action ?? "") === "") errors.push(required("action"));
  if ((event.reason ?? "") === "") errors.push(required("reason"));
  return errors;
}

/** The rules of both versions. */
export function validateEvent(
  event: Event,
  controller: "reportingComponent" | "reportingController",
): FieldError[] {
  const { namespace = "" } = event.metadata;
  return [
    ...validatePlace(event),
    ...invalidBy(dnsSubdomain, "namespace", namespace),
    ...validateNewStyle(event, controller),
  ];
}

export const event: Kind<Event> = defineKind<Event>("core/v1.Event", {
  createOnUpdate: true,
  defaults(object) {
    object.source ??= {};
    object.reportingComponent ??= "";
    object.reportingInstance ??= "";
  },
  // Upstream holds events of this version to no form but that of a path.
  nameRule: pathSegment,
  finalizers: "any",
  validate: (object) => validateEvent(object, "reportingComponent"),
  columns: [
    column("Last Seen", lastSeen),
    column("Type", (object) => object.type ?? ""),
    column("Reason", (object) => object.reason ?? ""),
    column("Object", objectCell),
    wide("Subobject", (object) => object.involvedObject.fieldPath ?? ""),
    wide("Source", sourceCell),
    column("Message", (object) => (object.message ?? "").trim()),
    wide("First Seen", firstSeen),
    wide("Count", (object) => object.series?.count ?? (object.count || 1)),
    wide("Name", (object) => object.metadata.name ?? UNKNOWN, { format: "name" }),
  ],
  selectableFields: {
    "involvedObject.kind": (object) => object.involvedObject.kind ?? "",
    "involvedObject.namespace": (object) => object.involvedObject.namespace ?? "",
    "involvedObject.name": (object) => object.involvedObject.name ?? "",
    "involvedObject.uid": (object) => object.involvedObject.uid ?? "",
    "involvedObject.apiVersion": (object) => object.involvedObject.apiVersion ?? "",
    "involvedObject.resourceVersion": (object) => object.involvedObject.resourceVersion ?? "",
    "involvedObject.fieldPath": (object) => object.involvedObject.fieldPath ?? "",
    reason: (object) => object.reason ?? "",
    reportingComponent: (object) => object.reportingComponent ?? "",
    source: (object) => object.source?.component || object.reportingComponent || "",
    type: (object) => object.type ?? "",
  },
});
