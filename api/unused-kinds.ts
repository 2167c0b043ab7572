/**
 * Kinds that are stored with their metadata checked, and that nothing acts on yet. Each has its
 * columns here until it gets a file of its own.
 */
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define.ts";
import type { Column, Kind, KubeObject } from "./kind.ts";
import type { CustomResourceDefinition } from "./gen/apiextensions/v1.ts";
import type { APIService } from "./gen/apiregistration/v1.ts";
import type { ResourceClaim, ResourceSlice } from "./gen/resource/v1.ts";
import type { VolumeAttributesClass } from "./gen/storage/v1.ts";
import type { PodTemplate } from "./gen/core/v1.ts";
import { mapCell } from "./columns.ts";

const DEVICES = "is stored, but devices are not allocated by claims yet";

/** Kinds that are replaced only by someone who names the version that was read. */
const CONDITIONAL = /^(apiextensions|apiregistration)\//;

/** A kind of which only the metadata is checked. */
function stored<T extends KubeObject>(
  schema: string, what: string, columns?: readonly Column<T>[], generation?: "spec" | "content",
): Kind<T> {
  const kind = schema.slice(schema.indexOf(".") + 1);
  return defineKind<T>(schema, {
    notActedOn: `${kind} ${what}`,
    unconditionalUpdate: !CONDITIONAL.test(schema),
    ...(columns === undefined ? {} : { columns }),
    ...(generation === undefined ? {} : { generation }),
  });
}

function claimState({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp !== undefined) states.push("deleted");
  if (status?.allocation === undefined) {
    if (metadata.deletionTimestamp === undefined) states.push("pending");
  } else {
    states.push("allocated");
    if ((status.reservedFor ?? []).length > 0) states.push("reserved");
  }
  return states.join(",");
}

const DEVICE_KINDS: readonly Kind[] = [
  stored("resource/v1.DeviceClass", DEVICES, undefined, "spec"),
  stored("resource/v1.ResourceClaimTemplate", DEVICES),
  stored<ResourceClaim>("resource/v1.ResourceClaim", DEVICES,
    [nameColumn, column("State", claimState), ageColumn]),
  stored<ResourceSlice>("resource/v1.ResourceSlice", DEVICES, [
    nameColumn,
    column("Node", ({ spec }) => spec.nodeName ?? ""),
    column("Driver", ({ spec }) => spec.driver),
    column("Pool", ({ spec }) => spec.pool.name),
    ageColumn,
  ], "spec"),
];

/** Everything stored and not acted on that has no file of its own. */
export const UNUSED_KINDS: readonly Kind[] = [
  ...DEVICE_KINDS,
  stored<CustomResourceDefinition>("apiextensions/v1.CustomResourceDefinition",
    "is stored, but its resources are not served yet", [
      nameColumn,
      column("Created At", ({ metadata }) => metadata.creationTimestamp ?? null, { type: "date" }),
    ], "spec"),
  stored<APIService>("apiregistration/v1.APIService",
    "is stored, but requests are not passed on to other servers yet", [
      nameColumn,
      column("Service", ({ spec }) => spec.service === undefined
        ? "Local" : `${spec.service.namespace}/${spec.service.name}`),
      column("Available", ({ status }) =>
        status?.conditions?.find((each) => each.type === "Available")?.status ?? "Unknown"),
      ageColumn,
    ]),
  stored<VolumeAttributesClass>("storage/v1.VolumeAttributesClass",
    "is stored, but volumes are not modified by it yet", [
      nameColumn, column("DriverName", (object) => object.driverName), ageColumn,
    ]),
  stored<PodTemplate>("core/v1.PodTemplate", "is stored, but nothing uses it", [
    nameColumn,
    column("Containers", ({ template }) =>
      (template?.spec?.containers ?? []).map((each) => each.name).join(",")),
    column("Images", ({ template }) =>
      (template?.spec?.containers ?? []).map((each) => each.image ?? "").join(",")),
    column("Pod Labels", ({ template }) => mapCell(template?.metadata?.labels)),
  ], "content"),
];
