import { LISTED_MAX } from "./limits.ts";

/**
 * The first of some names as one text of a message, sorted, and how many more there are: users
 * choose the number of their objects.
 */
export function listed(names: readonly string[], separator = ", "): string {
  const shown = names.slice(0, LISTED_MAX).sort();
  if (names.length > LISTED_MAX) shown.push(`${names.length - LISTED_MAX} more`);
  return shown.join(separator);
}
