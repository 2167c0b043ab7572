import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import path from "node:path";
import type { Signal } from "@raft2kube/proto/gen/cri.ts";
import { criSignal } from "@raft2kube/runtime/container/signals.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { goDuration_ms, goSwitch } from "@raft2kube/std/go-values.ts";
import type { RestartPolicy } from "../engine/hand.ts";

// Each function here reads a flag's text; `read` names the flag in what it throws.

/** The text is not what a flag takes. */
export function badFlag(flag: string, text: string, why: string): RuntimeError {
  return new RuntimeError("invalid-argument", `${flag} ${JSON.stringify(text)}: ${why}`);
}

/** Reads the text of a flag, or of a field of one, which errors name. */
export function read<T>(flag: string, text: string, valueOf: (text: string) => T): T {
  try {
    return valueOf(text);
  } catch (thrown) {
    throw thrown instanceof RuntimeError ? badFlag(flag, text, thrown.message) : thrown;
  }
}

/** The reason why a text is refused. */
export const bad = (why: string) => new RuntimeError("invalid-argument", why);

const UNITS = ["", "k", "m", "g", "t"];

/** `512m` in bytes, as docker reads sizes: powers of 1024. */
export function bytesOf(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const size = Math.floor(Number(number) * 1024 ** UNITS.indexOf(unit.toLowerCase()));
  if (Number.isSafeInteger(size)) return size;
  throw bad("no size such as 512m");
}

/** Go's durations (`1m30s`) in milliseconds. */
export function durationOf(text: string): number {
  const time_ms = goDuration_ms(text);
  if (time_ms !== undefined && time_ms >= 0) return time_ms;
  throw bad("no time such as 1m30s");
}

/** A time of a health check, in nanoseconds: 0 for the default, or a millisecond at least. */
export function healthTimeOf(text: string): number {
  const time_ms = durationOf(text);
  if (time_ms === 0 || time_ms >= 1) return Math.round(time_ms * 1e6);
  throw bad("is less than 1ms");
}

/** Returns what reads a whole number within bounds. */
export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw bad(`no number from ${min} ${max === Number.MAX_SAFE_INTEGER ? "on" : `to ${max}`}`);
  };
}

/** A number of processors. */
export function cpusOf(text: string): number {
  if (Number(text) > 0) return Number(text);
  throw bad("no number");
}

/** `DEVICE:LIMIT` of a block device. */
export const ofDevice = (limitOf: (text: string) => number) => (text: string) => {
  const [, path = "", value = ""] = /^(\/[^:]*):([^:]+)$/.exec(text) ?? [];
  if (path === "") throw bad("not DEVICE:LIMIT");
  return { path, limit: limitOf(value) };
};

/** A weight beside others; 0 is docker's word for none. */
export const weightOf = (text: string) => (text === "0" ? 0 : integer(10, 1000)(text));

/** A `NAME=VALUE` pair; a name alone gets `otherwise` of it, or is no pair. */
export function pairOf(
  text: string,
  otherwise: (name: string) => string | undefined = () => "",
): [name: string, value: string][] {
  const [name = "", given] = text.split(/=(.*)/s);
  if (name === "" || text.includes("\0")) throw bad("not NAME=VALUE");
  const value = given ?? otherwise(name);
  return value === undefined ? [] : [[name, value]];
}

/** A variable; a name alone has its value here. */
export const variableOf = (text: string) => pairOf(text, (name) => process.env[name]);

/** The variables of a file. */
export function variablesIn(file: string): [name: string, value: string][] {
  const lines = readFileSync(file, "utf8")
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/);
  return lines
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .flatMap(variableOf);
}

/** A truth value as Go reads them. */
export function booleanOf(text: string): boolean {
  const value = goSwitch(text);
  if (value !== undefined) return value;
  throw bad("neither true nor false");
}

export function restartOf(text: string): RestartPolicy {
  const [name = "", times] = text.split(":");
  if (name === "on-failure")
    return times === undefined ? { name } : { name, times: integer(1)(times) };
  if (times === undefined && (name === "no" || name === "always" || name === "unless-stopped")) {
    return { name };
  }
  throw bad("not no, always, unless-stopped or on-failure[:N]");
}

/** CRI's word for a signal, by its name or number. */
export function stopSignalOf(text: string): Signal {
  const found = criSignal(text);
  if (found) return found;
  throw bad("no signal such as SIGUSR1");
}

/** `NAME:ADDRESS`, whose separator may be `=` and whose address in brackets. */
export function addedHostOf(text: string): string {
  const [, name = "", address = ""] = /^([^:=\s]+)[:=]\[?([^\]\s]*)\]?$/.exec(text) ?? [];
  if (isIP(address) !== 0 || address === "host-gateway") return `${name}:${address}`;
  throw bad("not NAME:ADDRESS");
}

export function addressOf(text: string): string {
  if (isIP(text) !== 0) return text;
  throw bad("is no address");
}

/** `NAME=SOFT[:HARD]`. */
export function rlimitOf(text: string) {
  const [, name = "", first = "", second = first] =
    /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === "") throw bad("not NAME=SOFT[:HARD]");
  const value = (limit: string) => (limit === "-1" ? Number.MAX_SAFE_INTEGER : Number(limit));
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: value(first), hard: value(second) };
}

/** A place in a container, which is not its root. */
export function placeOf(text: string): string {
  const normal = path.posix.normalize(text).replace(/(.)\/+$/, "$1");
  if (text.startsWith("/") && normal !== "/") return normal;
  throw bad(`${JSON.stringify(text)} is no place in a container`);
}

/**
 * The fields of a mount, `KEY=VALUE` between commas, by the first of each key's spellings; a switch
 * is true alone.
 */
export function fieldsOf(
  text: string,
  { keys, switches }: { keys: readonly string[]; switches: readonly string[] },
): Partial<Record<string, string>> {
  const spellings = [...keys, ...switches].map((words) => words.split(" "));
  const pairs = text.split(",").map((part) => {
    const [word = "", value] = part.split(/=(.*)/s);
    const key = spellings.find((words) => words.includes(word))?.[0];
    const isSwitch = switches.some((words) => words.split(" ").includes(word));
    if (value === undefined && !isSwitch) throw bad(`${JSON.stringify(part)} is not KEY=VALUE`);
    if (key === undefined) throw bad(`${word} is not supported`);
    return [key, value ?? "true"];
  });
  return Object.fromEntries(pairs) as Partial<Record<string, string>>;
}
