type Condition = { type: string; status: string; lastTransitionTime?: string };

/**
 * Conditions with one of a type set, in its place where it is there already. It keeps the time of
 * its transition if it had this status before.
 */
export function withCondition<T extends Condition>(
  conditions: readonly T[] | undefined = [],
  condition: T,
): T[] {
  const before = conditions.find(({ type }) => type === condition.type);
  if (before === undefined) return [...conditions, condition];
  const { status, lastTransitionTime } = before;
  const isSame = status === condition.status && lastTransitionTime !== undefined;
  const set = isSame ? { ...condition, lastTransitionTime } : condition;
  return conditions.map((each) => (each === before ? set : each));
}
