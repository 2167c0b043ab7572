/** When a schedule starts next, over changes of the clocks of its time zone, as robfig/cron. */
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import type { Schedule } from "./schedule.ts";

const MINUTE_MS = 60_000;
/** Zones are at most 14 hours from UTC. */
const FARTHEST_MS = 15 * 3_600_000;
/** A schedule without a start within these years has none (`0 0 31 2 *`). */
const YEARS_MAX = 5;

/** Clocks of the zones asked for last. Names come in any case of letters, without end. */
const clocks = new Map<string, Intl.DateTimeFormat>();
const CLOCKS_MAX = 100;

/** Whether a zone is known by this name. */
export function isTimeZone(zone: string): boolean {
  try {
    clockOf(zone);
    return true;
  } catch (thrown) {
    if (thrown instanceof RangeError) return false;
    throw thrown;
  }
}

/** How far the clocks of a zone are ahead of UTC at a time, in milliseconds. */
export function offsetAt(zone: string, at_ms: number): number {
  if (zone === "UTC") return 0;
  const parts: Record<string, number> = {};
  for (const { type, value } of clockOf(zone).formatToParts(at_ms)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const wall_ms = Date.UTC(year, month - 1, day, hour, minute, second);
  return wall_ms - Math.floor(at_ms / 1000) * 1000;
}

function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    const [oldest] = clocks.keys();
    if (clocks.size >= CLOCKS_MAX && oldest !== undefined) clocks.delete(oldest);
    clocks.set(zone, clock);
  }
  return clock;
}

/**
 * The first start after a time, in milliseconds; undefined when there is none in five years. A
 * start is every instant whose wall clock matches: an hour that the clocks skip has none, one that
 * they repeat has its starts twice.
 */
export function nextStart(schedule: Schedule, zone: string, after_ms: number): number | undefined {
  if ("every_ms" in schedule) return Math.floor(after_ms / 1000) * 1000 + schedule.every_ms;
  const after_s = Math.floor(after_ms / 1000) + 1;
  let from_ms = Math.ceil((after_s * 1000) / MINUTE_MS) * MINUTE_MS;
  const year_max = new Date(from_ms + offsetAt(zone, from_ms)).getUTCFullYear() + YEARS_MAX;
  for (;;) {
    const offset_ms = offsetAt(zone, from_ms);
    const wall_ms = nextWall(schedule, from_ms + offset_ms, year_max);
    // The clocks may go back within a day, to a match that lies behind on the wall.
    const horizon_ms = Math.min((wall_ms ?? Infinity) - offset_ms, from_ms + MS_PER_DAY);
    if (offsetAt(zone, horizon_ms) !== offset_ms) {
      from_ms = changeOf(zone, from_ms, horizon_ms);
      continue;
    }
    if (wall_ms === undefined) return undefined;
    const at_ms = wall_ms - offset_ms;
    if (at_ms === horizon_ms || offsetAt(zone, at_ms) === offset_ms) return at_ms;
    // Far ahead, and under another offset: come near first. A later wall has no earlier match.
    from_ms = Math.max(from_ms + MS_PER_DAY, wall_ms - FARTHEST_MS);
  }
}

/** The first minute in (`from_ms`, `to_ms`] with another offset than at `from_ms`. */
function changeOf(zone: string, from_ms: number, to_ms: number): number {
  const offset_ms = offsetAt(zone, from_ms);
  let [before, after] = [from_ms / MINUTE_MS, to_ms / MINUTE_MS];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(zone, middle * MINUTE_MS) === offset_ms) before = middle;
    else after = middle;
  }
  return after * MINUTE_MS;
}

type Fields = Exclude<Schedule, { every_ms: number }>;

/** The first matching minute of the wall clock from `wall_ms` on, as if it never changed. */
function nextWall(fields: Fields, wall_ms: number, year_max: number): number | undefined {
  let day_ms = Math.floor(wall_ms / MS_PER_DAY) * MS_PER_DAY;
  let minute = (wall_ms - day_ms) / MINUTE_MS;
  for (;;) {
    const day = new Date(day_ms);
    if (day.getUTCFullYear() > year_max) return undefined;
    if (dayMatches(fields, day)) {
      for (; minute < MS_PER_DAY / MINUTE_MS; minute++) {
        if (!fields.hours.has(Math.floor(minute / 60))) continue;
        if (fields.minutes.has(minute % 60)) return day_ms + minute * MINUTE_MS;
      }
    }
    day_ms += MS_PER_DAY;
    minute = 0;
  }
}

function dayMatches(fields: Fields, day: Date): boolean {
  if (!fields.months.has(day.getUTCMonth() + 1)) return false;
  const ofMonth = fields.daysOfMonth.has(day.getUTCDate());
  const ofWeek = fields.daysOfWeek.has(day.getUTCDay());
  return fields.bothDays ? ofMonth && ofWeek : ofMonth || ofWeek;
}
