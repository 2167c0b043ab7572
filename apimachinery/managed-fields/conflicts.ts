import type { StatusCause } from "@raft2kube/api/gen/meta/v1.ts";
import { ApiError } from "../errors/api-error.ts";
import { type FieldSet, pathText } from "./field-set.ts";
import type { Owner } from "./managed-fields.ts";

/** Fields that an apply would change and another manager owns. */
export interface Conflict {
  owner: Owner;
  fields: FieldSet;
}

/** 409 in upstream's words: every field a cause, the message grouped by manager. */
export function conflictError(conflicts: readonly Conflict[]): ApiError {
  const named = conflicts
    .map(({ owner, fields }) => ({
      manager: nameOf(owner),
      paths: [...fields.paths()].map(pathText),
    }))
    .sort((a, b) => (a.manager < b.manager ? -1 : 1));
  const causes: StatusCause[] = named.flatMap(({ manager, paths }) =>
    paths.map((field) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${manager}`,
      field,
    })),
  );
  const [only] = causes;
  const message =
    causes.length === 1
      ? `1 conflict: ${only!.message}: ${only!.field}`
      : `${causes.length} conflicts: ${named.map(groupOf).join("\n")}`;
  return new ApiError({
    code: 409,
    reason: "Conflict",
    message: `Apply failed with ${message}`,
    details: { causes },
  });
}

function groupOf({ manager, paths }: { manager: string; paths: string[] }): string {
  return [`conflicts with ${manager}:`, ...paths.map((path) => `- ${path}`)].join("\n");
}

/** Identifies an owner; an applier by its name alone. */
function nameOf({ manager, subresource, operation, apiVersion }: Owner): string {
  const endpoint = subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`;
  const version = operation === "Apply" ? "" : ` using ${apiVersion}`;
  return `${JSON.stringify(manager)}${endpoint}${version}`;
}
