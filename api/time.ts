/** The API's times: RFC 3339 in UTC, with whole seconds (Time) or microseconds (MicroTime). */

const SYNTAX = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** A moment with the parts that protobuf keeps. */
export type Moment = { readonly seconds: number; readonly nanos: number };

/** The first second of the year 0, and the last of the year 9999: RFC 3339 has no others. */
const SECONDS_MIN = -62_167_219_200;
const SECONDS_MAX = 253_402_300_799;
const NANOS_MAX = 999_999_999;

/** Whether RFC 3339 can write it. */
export function isWritable({ seconds, nanos }: Moment): boolean {
  if (nanos < 0 || nanos > NANOS_MAX) return false;
  return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX;
}

/** Reads RFC 3339; undefined when the text is no time. */
export function parseTime(text: string): Moment | undefined {
  const match = SYNTAX.exec(text);
  if (match === null) return undefined;
  const whole = text.replace(/[.,]\d+/, "");
  const millis = Date.parse(whole);
  if (Number.isNaN(millis) || !isCalendarDay(match)) return undefined;
  return { seconds: millis / 1000, nanos: Number((match[7] ?? "").padEnd(9, "0")) };
}

/** Date.parse takes February 30; a time of the API must name a day that exists. */
function isCalendarDay(match: RegExpExecArray): boolean {
  const [, year, month, day] = match.map(Number) as [number, number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** Milliseconds since 1970 as a Time; parts of a second are cut off. */
export function timeOf(millis: number): string {
  return new Date(millis).toISOString().replace(/\.\d+Z$/, "Z");
}

export const formatTime = ({ seconds }: Moment): string => timeOf(seconds * 1000);

export function formatMicroTime({ seconds, nanos }: Moment): string {
  const micros = String(Math.floor(nanos / 1000)).padStart(6, "0");
  return timeOf(seconds * 1000).replace("Z", `.${micros}Z`);
}

/** Milliseconds since 1970 of a Time or MicroTime; undefined when the text is none. */
export function millisOf(text: string | undefined): number | undefined {
  const moment = text === undefined ? undefined : parseTime(text);
  return moment === undefined ? undefined : moment.seconds * 1000 + moment.nanos / 1e6;
}
