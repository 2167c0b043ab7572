import { type FieldError, invalid, required } from "../errors.ts";

/** Validates a list that has a member at least, and `*` only alone; `empty` asks for a member. */
export function validateStarred(
  list: readonly string[] = [],
  path: string,
  others: string,
  empty = "",
): FieldError[] {
  if (list.length === 0) return [required(path, empty)];
  return list.length > 1 && list.includes("*")
    ? [invalid(path, list, `if '*' is present, must not specify other ${others}`)]
    : [];
}
