/** ComponentStatus: whether the parts of the control plane are well; computed when asked for. */

import { column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import type { ComponentCondition, ComponentStatus } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";

function healthOf({ conditions = [] }: ComponentStatus): ComponentCondition | undefined {
  return conditions.find(({ type }) => type === "Healthy");
}

function statusCell(object: ComponentStatus): string {
  const health = healthOf(object);
  if (health === undefined) return "Unknown";
  return health.status === "True" ? "Healthy" : "Unhealthy";
}

const SCHEMA = "core/v1.ComponentStatus";

export const componentStatus: Kind<ComponentStatus> = defineKind<ComponentStatus>(SCHEMA, {
  virtual: true,
  deprecated: "v1 ComponentStatus is deprecated in v1.19+",
  columns: [
    nameColumn,
    column("Status", statusCell),
    column("Message", (object) => healthOf(object)?.message ?? ""),
    column("Error", (object) => healthOf(object)?.error ?? ""),
  ],
});
