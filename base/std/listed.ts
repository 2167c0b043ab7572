import { LISTED_MAX } from "./limits.ts";

/**
 * The first of some names as one text of a message, sorted, and how many more there are: users
 * choose the number of their objects.
 */
export function listed(names: readonly string[], separator = ", ", most = LISTED_MAX): string {
  const shown = names.slice(0, most).sort();
  if (names.length > most) shown.push(`${names.length - most} more`);
  return shown.join(separator);
}
