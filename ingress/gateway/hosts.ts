/**
 * Intersects a listener's host with a route's, each a name or `*.` and a suffix; undefined stands
 * for all. Returns the narrower one, or null if no name fits both.
 */
export function intersect(
  listener: string | undefined, route: string | undefined,
): string | undefined | null {
  if (listener === undefined || listener === "") return route;
  if (route === undefined) return listener;
  if (covers(listener, route)) return route;
  return covers(route, listener) ? listener : null;
}

/** Whether each name of `narrow` is one of `wide`; a wildcard stands for one label or more. */
function covers(wide: string, narrow: string): boolean {
  if (wide === narrow) return true;
  return wide.startsWith("*.") && narrow.endsWith(wide.slice(1)) && narrow !== wide.slice(2);
}
