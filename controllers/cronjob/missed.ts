import { nextStart } from "@raft2kube/api/batch/v1/next-start.ts";
import type { Schedule } from "@raft2kube/api/batch/v1/schedule.ts";
import type { CronJob } from "@raft2kube/api/gen/batch/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { CRON_DELAY_MS, MISSED_STARTS_MAX } from "../limits.ts";

/** When the starts of a CronJob are: its schedule, read, in the zone that it is meant in. */
export type Timetable = { schedule: Schedule; zone: string };

/** The starts between the last one and now. */
export interface Missed {
  /** The latest; undefined when there is none. */
  recent_ms: number | undefined;
  /** Roughly counted, by the distance of the first two. */
  how: "none" | "few" | "many";
}

/**
 * Looks for starts after the last one (or the creation) and, `sinceDeadline`, not before the
 * starting deadline. Undefined when the schedule has no starts (`0 0 31 2 *`).
 */
export function missedStarts(
  cronJob: CronJob,
  timetable: Timetable,
  now_ms: number,
  sinceDeadline: boolean,
): Missed | undefined {
  const earliest_ms = earliest(cronJob, now_ms, sinceDeadline);
  const first_ms = next(timetable, earliest_ms);
  if (first_ms === undefined) return undefined;
  if (now_ms < first_ms) return { recent_ms: undefined, how: "none" };
  const second_ms = next(timetable, first_ms);
  if (second_ms === undefined) return undefined;
  if (now_ms < second_ms) return { recent_ms: first_ms, how: "none" };
  const period_ms = second_ms - first_ms;
  const count = Math.floor((now_ms - first_ms) / period_ms) + 1;
  const from_ms = first_ms + (count - 2) * period_ms;
  const how = count > MISSED_STARTS_MAX ? "many" : "few";
  return { recent_ms: latest(timetable, from_ms, now_ms), how };
}

/** Milliseconds until the next start after the missed ones; undefined when there is none. */
export function untilNextStart(
  cronJob: CronJob,
  timetable: Timetable,
  now_ms: number,
): number | undefined {
  const missed = missedStarts(cronJob, timetable, now_ms, false);
  const sinceNow = missed === undefined || missed.how !== "none";
  const from_ms = missed?.recent_ms ?? (sinceNow ? now_ms : earliest(cronJob, now_ms, false));
  const at_ms = next(timetable, from_ms);
  return at_ms === undefined ? undefined : at_ms + CRON_DELAY_MS - now_ms;
}

function earliest({ metadata, spec, status }: CronJob, now_ms: number, sinceDeadline: boolean) {
  const created_ms = timeOf(metadata.creationTimestamp) ?? now_ms;
  const since_ms = timeOf(status?.lastScheduleTime) ?? created_ms;
  if (!sinceDeadline || spec.startingDeadlineSeconds === undefined) return since_ms;
  return Math.max(since_ms, now_ms - spec.startingDeadlineSeconds * 1000);
}

function next({ schedule, zone }: Timetable, after_ms: number): number | undefined {
  return nextStart(schedule, zone, after_ms);
}

/** The latest start in (`from_ms`, `to_ms`]. */
function latest(timetable: Timetable, from_ms: number, to_ms: number): number | undefined {
  let found_ms = next(timetable, from_ms);
  if (found_ms === undefined || found_ms > to_ms) return undefined;
  if ("every_ms" in timetable.schedule) return found_ms;
  let [before_ms, after_ms] = [found_ms, to_ms];
  while (before_ms < after_ms) {
    const middle_ms = Math.floor((before_ms + after_ms) / 2);
    const start_ms = next(timetable, middle_ms);
    if (start_ms === undefined || start_ms > to_ms) {
      after_ms = middle_ms;
    } else {
      found_ms = start_ms;
      before_ms = start_ms;
    }
  }
  return found_ms;
}
