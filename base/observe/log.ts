import { createRequire } from "node:module";
import { systemClock } from "@raft2kube/std/clock.ts";
import type * as PinoModule from "pino";
import type { DestinationStream, Logger as Pino } from "pino";
import {
  LINE_CHARS_MAX,
  LIST_ITEMS_MAX,
  TEXT_CHARS_MAX,
  WAITING_LINES_BYTES_MAX,
} from "./limits.ts";
import { Sampler } from "./sampling.ts";

/** Fields of one log line, to filter by. Never secrets. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A component's log: one JSON line per entry on standard error. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

let root: Pino | undefined;

const clock = systemClock();

/** Where lines go: to a descriptor, a file that is appended to, or a stream. */
interface LogOptions {
  readonly level?: LogLevel;
  readonly output?: number | string;
  readonly stream?: DestinationStream;
}

/**
 * Sets the process's log destination and level. Default: standard error, `info`. A line that cannot
 * be written is no error, since a pod may fill the disk: the first of those wait, others are lost.
 */
export function configureLog({ level, output = 2, stream }: LogOptions): void {
  // Loaded by the first line: a command that logs nothing starts 20 ms sooner.
  const require = createRequire(import.meta.url);
  const { destination, pino } = require("pino") as typeof PinoModule;
  const written = () =>
    destination({ dest: output, sync: true, maxLength: WAITING_LINES_BYTES_MAX }).on(
      "error",
      () => undefined,
    );
  root = pino(
    {
      level: level ?? levelFromEnvironment(),
      base: undefined,
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: bounded },
    },
    stream ?? written(),
  );
}

function levelFromEnvironment(): LogLevel {
  const level = process.env["R2K_LOG"];
  const levels: readonly string[] = ["debug", "info", "warn", "error", "silent"];
  return level !== undefined && levels.includes(level) ? (level as LogLevel) : "info";
}

/**
 * A line may quote what plugins, pods and servers sent: of one that is too long only the beginnings
 * of its texts and lists stay, so that no one of them can push all others' lines out of the log.
 */
function bounded(line: string): string {
  if (line.length <= LINE_CHARS_MAX) return line;
  const short = JSON.stringify(JSON.parse(line), (_, value: unknown) => {
    if (Array.isArray(value)) return value.slice(0, LIST_ITEMS_MAX);
    if (typeof value !== "string" || value.length <= TEXT_CHARS_MAX) return value;
    return `${value.slice(0, TEXT_CHARS_MAX)}... (${value.length} characters)`;
  });
  return `${short}\n`;
}

/**
 * Returns the logger of one component. An `err` field is written with its stack. After a hundred
 * equal messages in a second one in a hundred is written, with `left_out`.
 */
export function logger(component: string): Logger {
  const sampler = new Sampler();
  const write = (level: "debug" | "info" | "warn" | "error") => {
    return (message: string, fields: LogFields = {}) => {
      if (!root) configureLog({});
      if (!root?.isLevelEnabled(level)) return;
      const admitted = sampler.admit(`${level} ${message}`, clock.now());
      if (!admitted) return;
      const leftOut = admitted.leftOut > 0 ? { left_out: admitted.leftOut } : {};
      root[level]({ component, ...fields, ...leftOut }, message);
    };
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
