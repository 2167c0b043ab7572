/** Texts of timestamps and durations, and the fields of timestamps in time zones. */
import { error } from "./failures.ts";
import { TIME_ZONES_MAX } from "./limits.ts";
import { duration, timestamp } from "./operations.ts";
import { type ErrorValue, isError, type Outcome, type Timestamp } from "./value.ts";

const MILLI = 1_000_000n;
const SECOND = 1_000_000_000n;

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads RFC 3339 as Go does; undefined for other texts. */
export function parseTimestamp(text: string): Outcome | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  const [offsetHours, offsetMinutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (!isDay || hour > 23 || minute > 59 || second > 59 || offsetHours > 24 || offsetMinutes > 59) {
    return undefined;
  }
  const offset = (offsetHours * 60 + offsetMinutes) * (match[8] === "-" ? -60 : 60);
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
  const fraction = BigInt((match[7] ?? "").padEnd(9, "0").slice(0, 9));
  return timestamp(BigInt(seconds) * SECOND + fraction, offset);
}

/** The text of a timestamp, in the offset it has and with as many decimals. */
export function formatTimestamp({ nanos, offset_s }: Timestamp): string {
  const seconds = floorDivide(nanos, SECOND);
  const rest = String(nanos - seconds * SECOND)
    .padStart(9, "0")
    .replace(/0+$/, "");
  const whole = new Date((Number(seconds) + offset_s) * 1000).toISOString().slice(0, 19);
  return `${whole}${rest === "" ? "" : `.${rest}`}${offset_s === 0 ? "Z" : zoneText(offset_s)}`;
}

function zoneText(offset_s: number): string {
  const minutes = Math.abs(offset_s) / 60;
  const [hour, minute] = [Math.floor(minutes / 60), minutes % 60].map((each) =>
    String(each).padStart(2, "0"),
  );
  return `${offset_s < 0 ? "-" : "+"}${hour}:${minute}`;
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  "\u00b5s": 1000n,
  "\u03bcs": 1000n,
  ms: MILLI,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
};

/** Digits of an integer of 64 bits; those after a point decide on no nanosecond past them. */
const INTEGER_DIGITS_MAX = 20;

/** Reads Go's form of durations: `-1h2m3.5s`; undefined for other texts. */
export function parseDuration(text: string): Outcome | undefined {
  const match = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+|0)$/.exec(
    text,
  );
  if (match === null) return undefined;
  let nanos = 0n;
  for (const [, whole = "", digits = "", unit] of match[2]!.matchAll(
    /0*(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy,
  )) {
    if (whole.length > INTEGER_DIGITS_MAX) return undefined;
    const size = UNITS[unit!]!;
    const fraction = digits.slice(0, INTEGER_DIGITS_MAX);
    nanos += BigInt(whole) * size + (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  const outcome = duration(match[1] === "-" ? -nanos : nanos);
  return isError(outcome) ? undefined : outcome;
}

/** The text of a duration: its seconds as a decimal number. */
export function formatDuration(nanos: bigint): string {
  const size = nanos < 0n ? -nanos : nanos;
  const seconds = Number(size / SECOND) + Number(size % SECOND) / 1e9;
  const text = seconds < 1e-6 ? seconds.toFixed(9).replace(/\.?0+$/, "") : String(seconds);
  return `${nanos < 0n ? "-" : ""}${text}s`;
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

export type TimeField =
  | "getFullYear"
  | "getMonth"
  | "getDayOfYear"
  | "getDayOfMonth"
  | "getDate"
  | "getDayOfWeek"
  | "getHours"
  | "getMinutes"
  | "getSeconds"
  | "getMilliseconds";

const FIELDS: Readonly<Record<TimeField, (date: Date) => number>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDayOfYear: (date) => {
    const start = new Date(0);
    start.setUTCFullYear(date.getUTCFullYear(), 0, 1);
    return Math.floor((date.getTime() - start.getTime()) / 86_400_000);
  },
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDate: (date) => date.getUTCDate(),
  getDayOfWeek: (date) => date.getUTCDay(),
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
};

/** A field of a timestamp in a time zone: an IANA name, or an offset such as `-08:00`. */
export function timeField(field: TimeField, { nanos }: Timestamp, zone: string): Outcome {
  const millis = Number(floorDivide(nanos, MILLI));
  const offset = zone === "" || zone === "UTC" ? 0 : offsetOf(zone, millis);
  return typeof offset === "number" ? BigInt(FIELDS[field](new Date(millis + offset))) : offset;
}

/** A day: no zone is further from UTC. */
const OFFSET_MINUTES_MAX = 24 * 60;

const formats = new Map<string, Intl.DateTimeFormat>();

/** The milliseconds that a zone is ahead of UTC at a time. */
function offsetOf(zone: string, millis: number): number | ErrorValue {
  if (zone.includes(":")) {
    const match = /^([+-]?)(\d+):(\d+)$/.exec(zone);
    if (match === null) return error(`invalid time zone offset: ${zone}`);
    const minutes = Number(match[2]) * 60 + Number(match[3]);
    if (minutes > OFFSET_MINUTES_MAX) return error(`invalid time zone offset: ${zone}`);
    return (match[1] === "-" ? -minutes : minutes) * 60_000;
  }
  const format = formatOf(zone);
  if (format === undefined) return error(`unknown time zone ${zone}`);
  const parts = Object.fromEntries(
    format.formatToParts(millis).map(({ type, value }) => [type, value]),
  );
  const local = new Date(0);
  const year = parts["era"] === "BC" ? 1 - Number(parts["year"]) : Number(parts["year"]);
  local.setUTCFullYear(year, Number(parts["month"]) - 1, Number(parts["day"]));
  local.setUTCHours(Number(parts["hour"]), Number(parts["minute"]), Number(parts["second"]));
  return local.getTime() - Math.floor(millis / 1000) * 1000;
}

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    if (formats.size >= TIME_ZONES_MAX) formats.clear();
    formats.set(zone, format);
    return format;
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}
