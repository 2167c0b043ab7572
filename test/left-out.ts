const COMMAND = /npm run peers -- ([a-z][a-z0-9 -]*[a-z0-9])/;

/**
 * Returns a line for each program of upstream's that this machine lacks: how many of the titles
 * were left out for want of it, and the command that brings it; and one for all of them.
 */
export function missingPeers(
  titles: readonly string[],
  reasons: Readonly<Record<string, string>>,
): string[] {
  const counts = new Map<string, number>();
  for (const title of titles) {
    const names = COMMAND.exec(reasons[title] ?? "")?.[1];
    if (names !== undefined) counts.set(names, (counts.get(names) ?? 0) + 1);
  }
  if (counts.size === 0) return [];
  const lines = [...counts].toSorted().map(([names, count]) => {
    return `NOT COMPARED with ${names}: ${count} of upstream's; npm run peers -- ${names}`;
  });
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return [...lines, `NOT COMPARED: ${all} in all; npm run peers -- --all brings what can be had`];
}
