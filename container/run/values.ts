import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { HealthCheck } from "@raft2kube/runtime/image/config.ts";
import { goDuration_ms, goSwitch } from "@raft2kube/std/go-values.ts";

/** The text is not what a flag takes. */
export function badFlag(flag: string, text: string, why: string): RuntimeError {
  return new RuntimeError("invalid-argument", `${flag} ${JSON.stringify(text)}: ${why}`);
}

const UNITS = ["", "k", "m", "g", "t"];

/** `512m` in bytes, as docker reads sizes: powers of 1024. */
export function bytesOf(flag: string, text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const size = Math.floor(Number(number) * 1024 ** UNITS.indexOf(unit.toLowerCase()));
  if (Number.isSafeInteger(size)) return size;
  throw badFlag(flag, text, "no size such as 512m");
}

/** Go's durations (`1m30s`) in milliseconds. */
export function durationOf(flag: string, text: string): number {
  const time_ms = goDuration_ms(text);
  if (time_ms !== undefined && time_ms >= 0) return time_ms;
  throw badFlag(flag, text, "no time such as 1m30s");
}

/** A time of a health check, in nanoseconds: 0 for the default, or a millisecond at least. */
export function healthTimeOf(flag: string, text: string): number {
  const time_ms = durationOf(flag, text);
  if (time_ms === 0 || time_ms >= 1) return Math.round(time_ms * 1e6);
  throw badFlag(flag, text, "is less than 1ms");
}

/** The settings of a health check by the texts of flags, without their prefix. */
export function healthSettings(
  prefix: string,
  { "start-period": period, "start-interval": startInterval, ...flags }: HealthFlags,
): HealthCheck {
  const time = (name: string, text: string | undefined) =>
    text === undefined ? undefined : healthTimeOf(prefix + name, text);
  const settings = {
    Interval: time("interval", flags.interval),
    Timeout: time("timeout", flags.timeout),
    StartPeriod: time("start-period", period),
    StartInterval: time("start-interval", startInterval),
    Retries: flags.retries && integerOf(`${prefix}retries`, flags.retries, 1),
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

type HealthFlags = Partial<
  Record<"interval" | "timeout" | "start-period" | "start-interval" | "retries", string>
>;

/** A whole number within bounds. */
export function integerOf(
  flag: string,
  text: string,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const end = max === Number.MAX_SAFE_INTEGER ? "on" : `to ${max}`;
  throw badFlag(flag, text, `no number from ${min} ${end}`);
}

/** `NAME=VALUE` pairs; a name alone gets `otherwise` of it. */
export function pairsOf(
  flag: string,
  texts: readonly string[],
  otherwise: (name: string) => string | undefined = () => "",
): Record<string, string> {
  const pairs = texts.flatMap((text) => {
    const [name = "", given] = text.split(/=(.*)/s);
    if (name === "" || text.includes("\0")) throw badFlag(flag, text, "not NAME=VALUE");
    const value = given ?? otherwise(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(pairs);
}

/** A truth value as Go reads them. */
export function booleanOf(flag: string, text: string): boolean {
  const value = goSwitch(text);
  if (value !== undefined) return value;
  throw badFlag(flag, text, "neither true nor false");
}

/**
 * The fields of a mount, `KEY=VALUE` between commas, by the first of each key's spellings; a switch
 * is true alone. `refuse` makes the error of any other.
 */
export function fieldsOf(
  text: string,
  { keys, switches }: { keys: readonly string[]; switches: readonly string[] },
  refuse: (why: string) => Error,
): Partial<Record<string, string>> {
  const spellings = [...keys, ...switches].map((words) => words.split(" "));
  const pairs = text.split(",").map((part) => {
    const [word = "", value] = part.split(/=(.*)/s);
    const key = spellings.find((words) => words.includes(word))?.[0];
    const isSwitch = switches.some((words) => words.split(" ").includes(word));
    if (value === undefined && !isSwitch) {
      throw refuse(`${JSON.stringify(part)} is not KEY=VALUE`);
    }
    if (key === undefined) throw refuse(`${word} is not supported`);
    return [key, value ?? "true"];
  });
  return Object.fromEntries(pairs) as Partial<Record<string, string>>;
}
