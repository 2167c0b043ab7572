import { type Permission, type Role, Permission_Type as Type } from "@raft2kube/proto/gen/etcd.ts";
import { type KeyRange, keyRange } from "../structures/key-range.ts";

/** Keys from `from` on, up to `to` but without it; no `to` is no end. */
type Interval = { from: string; to: string | undefined };

/** All that a user's roles let it read and write: intervals in order, none touching the next. */
export type UserPermissions = { read: Interval[]; write: Interval[] };

/** The union of several roles' permissions. */
export function mergePermissions(roles: Role[]): UserPermissions {
  const permissions = roles.flatMap(({ keyPermission }) => keyPermission);
  const of = (type: number) =>
    merged(permissions.filter(({ permType }) => permType === type || permType === Type.READWRITE));
  return { read: of(Type.READ), write: of(Type.WRITE) };
}

/**
 * Whether the keys of a request lie within `allowed`, which has to reach over all of them: two
 * permissions that meet allow a range across both.
 */
export function covers(allowed: Interval[], key: Buffer, rangeEnd: Buffer): boolean {
  const { from, to } = interval(keyRange(key, rangeEnd));
  // A range without keys still needs a permission around the place that it names.
  const empty = to !== undefined && to <= from;
  const [low, high] = empty ? [to, from] : [from, to];
  return allowed.some((one) => {
    if (one.from > low || (empty && one.from >= low)) return false;
    if (one.to === undefined) return true;
    return high !== undefined && (empty ? one.to > high : one.to >= high);
  });
}

/** Whether a role may hold a permission for these keys: one key, an interval, or no end. */
export function isPermissionRange({ key, rangeEnd }: Permission): boolean {
  if (key.length === 0) return false;
  if (rangeEnd.length === 0) return true;
  const { from, to } = keyRange(key, rangeEnd);
  return to === undefined || from < to;
}

/** A single key is the interval up to its successor. */
function interval({ from, to, single }: KeyRange): Interval {
  return single ? { from, to: `${from}\0` } : { from, to };
}

function merged(permissions: Permission[]): Interval[] {
  const intervals = permissions.map(({ key, rangeEnd }) => interval(keyRange(key, rangeEnd)));
  intervals.sort((a, b) => (a.from < b.from ? -1 : 1));
  const result: Interval[] = [];
  for (const next of intervals) {
    const last = result.at(-1);
    if (!last || (last.to !== undefined && last.to < next.from)) result.push({ ...next });
    else if (last.to !== undefined && (next.to === undefined || next.to > last.to)) {
      last.to = next.to;
    }
  }
  return result;
}
