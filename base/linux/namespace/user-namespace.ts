import { readFileSync } from "node:fs";

/** A run of ids that a user namespace has: `first` and up within it, `count` of them. */
export type IdRange = { first: number; count: number };

/** The user and group ids that can own files and be run as here (user_namespaces(7)). */
export type MappedIds = { users: IdRange[]; groups: IdRange[] };

/** Ids of the initial user namespace: all of 32 bits but the last. */
const ALL_IDS = 2 ** 32 - 1;

/** Reads a uid_map or gid_map: lines of first id inside, first outside, count. */
export function parseIdMap(text: string): IdRange[] {
  const lines = text.trim().split("\n").filter(Boolean);
  return lines.map((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return { first, count };
  });
}

/** The ids of this process's user namespace. */
export const readMappedIds = (): MappedIds => ({
  users: parseIdMap(readFileSync("/proc/self/uid_map", "utf8")),
  groups: parseIdMap(readFileSync("/proc/self/gid_map", "utf8")),
});

/** Whether an id is among them. */
export function isMapped(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some(({ first, count }) => id >= first && id < first + count);
}

/** How many ids from 0 on are mapped without a gap. */
export function mappedFromZero(ranges: readonly IdRange[]): number {
  let end = 0;
  for (const { first, count } of ranges.toSorted((a, b) => a.first - b.first)) {
    if (first === end) end += count;
  }
  return end;
}

/** Whether some ids are missing, as in every user namespace but the machine's own. */
export const inUserNamespace = ({ users }: MappedIds): boolean => mappedFromZero(users) < ALL_IDS;
