import type { StatusCause } from "@raft2kube/api/gen/meta/v1.ts";
import { ApiError } from "../errors/api-error.ts";
import { ODDITIES_MAX } from "../limits.ts";
import { type FieldSet, pathText, shortened } from "./field-set.ts";
import type { Owner } from "./managed-fields.ts";

/** Fields that an apply would change and another manager owns. */
export type Conflict = { owner: Owner; fields: FieldSet };

/**
 * 409 in upstream's words: fields as causes, at most ODDITIES_MAX, the message grouped by manager.
 */
export function conflictError(conflicts: readonly Conflict[]): ApiError {
  const causes: StatusCause[] = [];
  const lines: string[] = [];
  let found = 0;
  const named = conflicts.map(({ owner, fields }) => ({ manager: nameOf(owner), fields }));
  for (const { manager, fields } of named.sort((a, b) => (a.manager < b.manager ? -1 : 1))) {
    if (causes.length < ODDITIES_MAX) lines.push(`conflicts with ${manager}:`);
    for (const path of fields.paths()) {
      if (++found > ODDITIES_MAX) continue;
      const field = pathText(path);
      const message = `conflict with ${manager}`;
      causes.push({ reason: "FieldManagerConflict", message, field });
      lines.push(`- ${field}`);
    }
  }
  const [only] = causes;
  if (found > causes.length) lines.push(`${found - causes.length} more`);
  const message =
    found === 1
      ? `1 conflict: ${only!.message}: ${only!.field}`
      : `${found} conflicts: ${lines.join("\n")}`;
  return new ApiError({
    code: 409,
    reason: "Conflict",
    message: `Apply failed with ${message}`,
    details: { causes },
  });
}

/** Identifies an owner; an applier by its name alone. */
function nameOf({ manager, subresource, operation, apiVersion }: Owner): string {
  const endpoint = subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`;
  const version = operation === "Apply" ? "" : ` using ${apiVersion}`;
  return shortened(`${JSON.stringify(manager)}${endpoint}${version}`);
}
