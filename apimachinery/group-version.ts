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

/**
 * Orders versions as Kubernetes does, the most stable last: v1alpha1, v1beta2, v1, v2; other names
 * come before those, in the reverse order of the alphabet.
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const [one, other] = [rankOf(a), rankOf(b)];
  if (one === undefined && other === undefined) return a < b ? 1 : -1;
  if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
  const at = one.findIndex((each, index) => each !== other[index]);
  return one[at]! - other[at]!;
}

function rankOf(version: string): [level: number, major: number, minor: number] | undefined {
  const [whole, major, level, minor] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? [];
  if (whole === undefined) return undefined;
  return [["alpha", "beta", undefined].indexOf(level), Number(major), Number(minor ?? 0)];
}
