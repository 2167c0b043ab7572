const SECOND_MS = 1000;
const DAY_MS = 24 * 3600 * SECOND_MS;
/** How long before midnight the run `midnight` starts: midnight falls into its first group. */
const BEFORE_MIDNIGHT_MS = 30 * SECOND_MS;
/** A leap day is entered at this hour, so that a run of some hours ends on it. */
const LEAP_DAY_HOUR_MS = 6 * 3600 * SECOND_MS;

/** How far each run's clock is ahead of the machine's, in whole seconds, by the run's name. */
export type Clocks = Readonly<Record<string, number>>;

/** The clocks that the suite has to pass under, for a run that starts at `now_ms` (UTC). */
export function clocksAt(now_ms: number): Clocks {
  const ahead = (until_ms: number) => Math.ceil((until_ms - now_ms) / SECOND_MS);
  return {
    day: ahead(now_ms + DAY_MS),
    month: ahead(now_ms + 31 * DAY_MS),
    "400-days": ahead(now_ms + 400 * DAY_MS),
    "ten-years": ahead(now_ms + 3653 * DAY_MS),
    "leap-day": ahead(nextLeapDay(now_ms) + LEAP_DAY_HOUR_MS),
    midnight: ahead(nextMidnight(now_ms + BEFORE_MIDNIGHT_MS) - BEFORE_MIDNIGHT_MS),
  };
}

const nextMidnight = (after_ms: number): number => (Math.floor(after_ms / DAY_MS) + 1) * DAY_MS;

/** The start of the first 29 February that starts after a time. */
function nextLeapDay(after_ms: number): number {
  for (let year = new Date(after_ms).getUTCFullYear(); ; year++) {
    const day = new Date(Date.UTC(year, 1, 29));
    if (day.getUTCDate() === 29 && day.getTime() > after_ms) return day.getTime();
  }
}
