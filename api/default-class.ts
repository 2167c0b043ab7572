import type { KubeObject } from "./kind.ts";

/**
 * Returns the class that objects without one get: of those marked as default the newest, and of
 * those created in the same second the first by name (upstream).
 */
export function defaultOf<T extends KubeObject>(
  classes: readonly T[],
  isDefault: (object: T) => boolean,
): T | undefined {
  return classes.filter(isDefault).sort((a, b) => newestFirst(a.metadata, b.metadata))[0];
}

function newestFirst(a: KubeObject["metadata"], b: KubeObject["metadata"]): number {
  const [first = "", second = ""] = [a.creationTimestamp, b.creationTimestamp];
  if (first !== second) return first < second ? 1 : -1;
  return (a.name ?? "") < (b.name ?? "") ? -1 : 1;
}
