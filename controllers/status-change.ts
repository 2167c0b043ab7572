interface StatusLike {
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string;
    readonly message?: string;
  }[];
}

/**
 * Whether writing `status` would change anything: absent counts are zero, and of conditions the
 * times do not count.
 */
export function statusChanged<S extends StatusLike>(
  old: S | undefined,
  status: S | undefined,
): boolean {
  const before: Record<string, unknown> = { ...old, conditions: conditionsOf(old) };
  const after: Record<string, unknown> = { ...status, conditions: conditionsOf(status) };
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].some((name) => (before[name] || 0) !== (after[name] || 0));
}

function conditionsOf({ conditions = [] }: StatusLike = {}): string {
  return JSON.stringify(
    conditions.map(({ type, status, reason, message }) => [type, status, reason, message]),
  );
}
