/**
 * The query of a read that any state newer than some revision would answer, raised to what this
 * server's own cache has shown already: the thread has a cache of its own, which may be behind, and
 * a client must not go back in time. Other queries, and versions that are none, stay as they are.
 */
export function notOlderThan(query: URLSearchParams, shown: number): URLSearchParams {
  const asked = query.get("resourceVersion") ?? "";
  if (!/^\d+$/.test(asked) || Number(asked) >= shown) return query;
  const raised = new URLSearchParams(query);
  raised.set("resourceVersion", String(shown));
  return raised;
}
