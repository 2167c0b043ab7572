/** Ages as kubectl shows them: two units at most, as `45s`, `3m12s`, `5h`, `2y34d`. */

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

function two(seconds: number, unit: number, name: string, rest: number, restName: string): string {
  const whole = Math.floor(seconds / unit);
  const remainder = Math.floor((seconds % unit) / rest);
  return remainder === 0 ? `${whole}${name}` : `${whole}${name}${remainder}${restName}`;
}

/** A duration in seconds for people. Source: the thresholds of apimachinery's duration package. */
export function humanDuration(duration_s: number): string {
  const seconds = Math.trunc(duration_s);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 2 * MINUTE) return `${seconds}s`;
  if (seconds < 10 * MINUTE) return two(seconds, MINUTE, "m", SECOND, "s");
  if (seconds < 3 * HOUR) return `${Math.floor(seconds / MINUTE)}m`;
  if (seconds < 8 * HOUR) return two(seconds, HOUR, "h", MINUTE, "m");
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)}h`;
  if (seconds < 8 * DAY) return two(seconds, DAY, "d", HOUR, "h");
  if (seconds < 2 * YEAR) return `${Math.floor(seconds / DAY)}d`;
  if (seconds < 8 * YEAR) return two(seconds, YEAR, "y", DAY, "d");
  return `${Math.floor(seconds / YEAR)}y`;
}
