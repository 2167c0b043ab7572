/** Names in double quotes. */
export function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}

/** `container "a"` or `containers "a", "b"`. */
export function namedContainers(names: readonly string[]): string {
  return `${plural(names.length, "container")} ${quoted(names)}`;
}

/** `pod and container "a"`: the pod itself and those of its containers that set a field. */
export function settersOf(byPod: boolean, names: readonly string[]): string[] {
  return [...(byPod ? ["pod"] : []), ...(names.length > 0 ? [namedContainers(names)] : [])];
}

/** Each value once, sorted. */
export const sortedSet = (values: Iterable<string>): string[] => [...new Set(values)].sort();
