/** Event: what happened to an object; kept for an hour. Stored for both groups in this form. */
import type { Event } from "../../gen/core/v1.ts";
import { age, column, UNKNOWN, wide } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { invalid, required, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { dnsLabel, qualifiedName } from "../../validation/names.ts";

const CLUSTER_NAMESPACES = ["", "default", "kube-system"];
const MAX_ACTION_BYTES = 128;
const MAX_NOTE_BYTES = 1024;

function firstSeen(event: Event, now_ms: number): string {
  return age(event.firstTimestamp ?? event.eventTime, now_ms);
}

function lastSeen(event: Event, now_ms: number): string {
  if (event.series !== undefined) return age(event.series.lastObservedTime, now_ms);
  return event.lastTimestamp === undefined
    ? firstSeen(event, now_ms) : age(event.lastTimestamp, now_ms);
}

function objectCell({ involvedObject: { kind = "", name = "" } }: Event): string {
  return name === "" ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`;
}

function sourceCell(event: Event): string {
  const component = event.source?.component || event.reportingComponent || "";
  const instance = event.source?.host || event.reportingInstance;
  return instance === "" || instance === undefined ? component : `${component}, ${instance}`;
}

/** An event lies in the namespace of its object; that of a cluster-wide object in a system one. */
function validatePlace(event: Event): FieldError[] {
  const { namespace: place = "" } = event.metadata;
  const { namespace: object = "" } = event.involvedObject;
  if (object === place || (object === "" && CLUSTER_NAMESPACES.includes(place))) return [];
  return [invalid("involvedObject.namespace", object, "does not match event.namespace")];
}

/** The rules of events in the new style, which carry `eventTime`. */
function validateNewStyle(event: Event): FieldError[] {
  if (event.eventTime === undefined) return [];
  const errors: FieldError[] = [];
  const { reportingComponent: controller = "", reportingInstance: instance = "" } = event;
  if (controller === "") errors.push(required("reportingController"));
  errors.push(...qualifiedName(controller).map((each) =>
    invalid("reportingController", controller, each)));
  if (instance === "") errors.push(required("reportingInstance"));
  for (const [name, value = "", limit] of [
    ["reportingInstance", instance, MAX_ACTION_BYTES], ["action", event.action, MAX_ACTION_BYTES],
    ["reason", event.reason, MAX_ACTION_BYTES], ["message", event.message, MAX_NOTE_BYTES],
  ] as const) {
    if (value.length > limit) {
      errors.push(invalid(name, "", `can have at most ${limit} characters`));
    }
  }
  if ((event.action ?? "") === "") errors.push(required("action"));
  if ((event.reason ?? "") === "") errors.push(required("reason"));
  if (event.type !== "Normal" && event.type !== "Warning") {
    errors.push(invalid("type", event.type ?? "", "has invalid value: "));
  }
  return errors;
}

export const event: Kind<Event> = defineKind<Event>("core/v1.Event", {
  createOnUpdate: true,
  defaults(object) {
    object.source ??= {};
    object.reportingComponent ??= "";
    object.reportingInstance ??= "";
  },
  validate: (object) => [
    ...validatePlace(object),
    ...dnsLabel(object.metadata.namespace ?? "").map((each) =>
      invalid("namespace", object.metadata.namespace, each)),
    ...validateNewStyle(object),
  ],
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
