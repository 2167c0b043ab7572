/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(kind: { group: string; version: string }): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** The parts of `apps/v1` or `v1`; anything with more than one slash is undefined. */
export function parseApiVersion(text: string): { group: string; version: string } | undefined {
  const parts = text.split("/");
  if (parts.length === 1) return { group: "", version: parts[0]! };
  return parts.length === 2 ? { group: parts[0]!, version: parts[1]! } : undefined;
}
