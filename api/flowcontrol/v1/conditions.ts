import { duplicate, type FieldError, required } from "../../errors.ts";

/** Each condition of a status has a type, and no other has the same. */
export function validateConditionTypes(
  conditions: readonly { type?: string }[] = [],
): FieldError[] {
  const seen = new Set<string>();
  return conditions.flatMap(({ type = "" }, index) => {
    const path = `status.conditions[${index}].type`;
    const errors = seen.has(type) ? [duplicate(path, type)] : [];
    seen.add(type);
    return type === "" ? [...errors, required(path)] : errors;
  });
}
