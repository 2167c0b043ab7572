/** Conditions in the form of meta/v1, which most newer kinds have in their status. */

import { duplicate, type FieldError, invalid, required, tooLong } from "../errors.ts";
import type { Condition } from "../gen/meta/v1.ts";
import { oneOf, requiredBy } from "./checks.ts";
import { qualifiedName } from "./names.ts";

const STATUSES = ["False", "True", "Unknown"];
const REASON = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/;
const REASON_BYTES_MAX = 1024;
const MESSAGE_BYTES_MAX = 32 * 1024;

function validateReason(reason: string, path: string): FieldError[] {
  if (reason === "") return [required(path)];
  const errors = REASON.test(reason)
    ? []
    : [
        invalid(
          path,
          reason,
          "a condition reason must start with alphabetic character, optionally followed by a string " +
            "of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
        ),
      ];
  return Buffer.byteLength(reason) > REASON_BYTES_MAX
    ? [...errors, tooLong(path, REASON_BYTES_MAX)]
    : errors;
}

function validateCondition(condition: Partial<Condition>, path: string): FieldError[] {
  const { type = "", status = "", observedGeneration = 0, message = "" } = condition;
  return [
    ...requiredBy(qualifiedName, `${path}.type`, type),
    ...oneOf(status, STATUSES, `${path}.status`),
    ...(observedGeneration < 0
      ? [
          invalid(
            `${path}.observedGeneration`,
            observedGeneration,
            "must be greater than or equal to zero",
          ),
        ]
      : []),
    ...(condition.lastTransitionTime === undefined
      ? [required(`${path}.lastTransitionTime`, "must be set")]
      : []),
    ...validateReason(condition.reason ?? "", `${path}.reason`),
    ...(Buffer.byteLength(message) > MESSAGE_BYTES_MAX
      ? [tooLong(`${path}.message`, MESSAGE_BYTES_MAX)]
      : []),
  ];
}

/** A list of conditions, of which each has a type of its own. */
export function validateConditions(
  conditions: readonly Partial<Condition>[] = [],
  path: string,
): FieldError[] {
  const seen = new Set<string>();
  return conditions.flatMap((condition, index) => {
    const at = `${path}[${index}]`;
    const type = condition.type ?? "";
    const errors = seen.has(type) ? [duplicate(`${at}.type`, type)] : [];
    seen.add(type);
    return [...errors, ...validateCondition(condition, at)];
  });
}
