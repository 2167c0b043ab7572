/** ControllerRevision: a state that a controller can return to; its data never changes. */

import { isRecord } from "@raft2kube/std/record.ts";
import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { required } from "../../errors.ts";
import type { ControllerRevision } from "../../gen/apps/v1.ts";
import type { Kind } from "../../kind.ts";
import { immutable, nonNegative } from "../../validation/metadata.ts";

/** The owner in charge, as kubectl names it: `daemonset.apps/name`. */
function controllerCell(object: ControllerRevision): string {
  const owner = object.metadata.ownerReferences?.find((each) => each.controller === true);
  if (owner === undefined) return NONE;
  const slash = owner.apiVersion.indexOf("/");
  const group = slash === -1 ? "" : `.${owner.apiVersion.slice(0, slash)}`;
  return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
}

export const controllerRevision: Kind<ControllerRevision> = defineKind<ControllerRevision>(
  "apps/v1.ControllerRevision",
  {
    validateCreate: ({ data }) => (isRecord(data) ? [] : [required("data", "data is mandatory")]),
    validate: (object) => nonNegative("revision", object.revision),
    validateUpdate: (object, old) => immutable("data", object.data, old.data),
    columns: [
      nameColumn,
      column("Controller", controllerCell),
      column("Revision", (object) => object.revision),
      ageColumn,
    ],
  },
);
