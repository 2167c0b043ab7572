/**
 * The schedule of a CronJob in the dialect of robfig/cron, which upstream reads it with: five
 * fields, no seconds, Sunday is 0 only, `N/step` runs to the field's end, `?` is `*`.
 */
import { CodedError } from "@raft2kube/std/errors.ts";
import { parseDuration } from "../../duration.ts";
import { SCHEDULE_CHARACTERS_MAX } from "../../limits.ts";

/** Starts at matching minutes of a time zone, or again and again after a period. */
export type Schedule = FieldSchedule | { readonly every_ms: number };

interface FieldSchedule {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly daysOfWeek: ReadonlySet<number>;
  /** A day must match both of its fields; else, when neither has a star, one of them. */
  readonly bothDays: boolean;
}

type Bounds = { readonly min: number; readonly max: number; readonly names?: readonly string[] };

const MINUTES: Bounds = { min: 0, max: 59 };
const HOURS: Bounds = { min: 0, max: 23 };
const DAYS_OF_MONTH: Bounds = { min: 1, max: 31 };
const MONTHS: Bounds = {
  min: 1,
  max: 12,
  names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const DAYS_OF_WEEK: Bounds = {
  min: 0,
  max: 6,
  names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};
const MACROS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const EVERY = "@every ";
const INT64_MAX = 2n ** 63n - 1n;

type Field = { readonly values: ReadonlySet<number>; readonly star: boolean };

/** Reads a schedule, or gives upstream's words on why it cannot be read. */
export function parseSchedule(text: string): Schedule | string {
  try {
    return read(text);
  } catch (thrown) {
    if (thrown instanceof Unreadable) return thrown.message;
    throw thrown;
  }
}

class Unreadable extends CodedError {
  constructor(message: string) {
    super("SCHEDULE", message);
  }
}

function read(text: string): Schedule {
  if (text === "") throw new Unreadable("empty spec string");
  if (text.length > SCHEDULE_CHARACTERS_MAX) {
    throw new Unreadable(`more than ${SCHEDULE_CHARACTERS_MAX} characters`);
  }
  if (text.startsWith("@") && MACROS[text] === undefined) return readEvery(text);
  const parts = (MACROS[text] ?? text).split(/\s+/).filter((part) => part !== "");
  if (parts.length !== 5) {
    throw new Unreadable(`expected exactly 5 fields, found ${parts.length}: [${parts.join(" ")}]`);
  }
  const [minute = "", hour = "", dayOfMonth = "", month = "", dayOfWeek = ""] = parts;
  const minutes = readField(minute, MINUTES);
  const hours = readField(hour, HOURS);
  const daysOfMonth = readField(dayOfMonth, DAYS_OF_MONTH);
  const months = readField(month, MONTHS);
  const daysOfWeek = readField(dayOfWeek, DAYS_OF_WEEK);
  return {
    minutes: minutes.values,
    hours: hours.values,
    daysOfMonth: daysOfMonth.values,
    months: months.values,
    daysOfWeek: daysOfWeek.values,
    bothDays: daysOfMonth.star || daysOfWeek.star,
  };
}

/** `@every 1h30m`, in whole seconds and at least one. */
function readEvery(text: string): Schedule {
  if (!text.startsWith(EVERY)) throw new Unreadable(`unrecognized descriptor: ${text}`);
  const duration = text.slice(EVERY.length);
  const nanos = parseDuration(duration);
  if (nanos === undefined) {
    throw new Unreadable(`failed to parse duration ${text}: time: ${durationComplaint(duration)}`);
  }
  const seconds = Number(nanos / 1_000_000_000n);
  return { every_ms: Math.max(1, seconds) * 1000 };
}

function durationComplaint(text: string): string {
  const quoted = JSON.stringify(text);
  return /^[+-]?\d+(\.\d*)?$/.test(text)
    ? `missing unit in duration ${quoted}`
    : `invalid duration ${quoted}`;
}

/** Ranges between commas; empty ones are passed over. */
function readField(field: string, bounds: Bounds): Field {
  const values = new Set<number>();
  let star = false;
  for (const range of field.split(",").filter((each) => each !== "")) {
    const { from, to, step, isStar } = readRange(range, bounds);
    for (let value = from; value <= to; value += step) values.add(value);
    star ||= isStar;
  }
  return { values, star };
}

function readRange(text: string, bounds: Bounds) {
  const [span = "", stepText, ...moreSteps] = text.split("/");
  const [low = "", high, ...moreHyphens] = span.split("-");
  const whole = low === "*" || low === "?";
  let from = bounds.min;
  let to = bounds.max;
  if (!whole) {
    from = readValue(low, bounds);
    if (moreHyphens.length > 0) throw new Unreadable(`too many hyphens: ${text}`);
    to = high === undefined ? from : readValue(high, bounds);
  }
  if (moreSteps.length > 0) throw new Unreadable(`too many slashes: ${text}`);
  const step = stepText === undefined ? 1 : readNumber(stepText);
  if (stepText !== undefined && high === undefined) to = bounds.max;
  const range = `of range (${from})`;
  if (from < bounds.min) {
    throw new Unreadable(`beginning ${range} below minimum (${bounds.min}): ${text}`);
  }
  if (to > bounds.max) {
    throw new Unreadable(`end of range (${to}) above maximum (${bounds.max}): ${text}`);
  }
  if (from > to) throw new Unreadable(`beginning ${range} beyond end of range (${to}): ${text}`);
  if (step === 0) throw new Unreadable(`step of range should be a positive number: ${text}`);
  return { from, to, step, isStar: whole && step === 1 };
}

function readValue(text: string, { min, names = [] }: Bounds): number {
  const named = names.indexOf(text.toLowerCase());
  return named === -1 ? readNumber(text) : min + named;
}

function readNumber(text: string): number {
  const failed = (why: string) =>
    new Unreadable(
      `failed to parse int from ${text}: strconv.Atoi: ` +
        `parsing ${JSON.stringify(text)}: ${why}`,
    );
  if (!/^[+-]?\d+$/.test(text)) throw failed("invalid syntax");
  const value = BigInt(text.replace("+", ""));
  if (value > INT64_MAX) throw failed("value out of range");
  if (value < 0n) throw new Unreadable(`negative number (${value}) not allowed: ${text}`);
  return Number(value);
}
