/**
 * Intersects a listener's host with a route's, each a name, `*.` and a suffix, or empty for all.
 * Returns the narrower one; undefined if no name fits both.
 */
export function intersect(listener: string, route: string): string | undefined {
  if (covers(listener, route)) return route;
  return covers(route, listener) ? listener : undefined;
}

/** Whether each name of `narrow` is one of `wide`; a wildcard stands for one label or more. */
function covers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === "") return true;
  return wide.startsWith("*.") && narrow.endsWith(wide.slice(1)) && narrow !== wide.slice(2);
}
