import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { HealthCheck } from "@raft2kube/runtime/image/config.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { HEALTH_LONGEST_MS } from "../limits.ts";
import type { HandContainer } from "./hand.ts";
import type { Host } from "./host.ts";

/** A container's health, in docker's words. */
export interface Health {
  Status: "starting" | "healthy" | "unhealthy";
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

const DEFAULT_MS = 30_000;
const START_DEFAULT_MS = 5_000;
const NS_PER_MS = 1e6;

/**
 * The time until the next test, and of one, within bounds: images of any age ask for any. While it
 * starts, and is young, docker tests more often.
 */
export function healthTimes(
  { Interval, Timeout, StartInterval }: HealthCheck,
  { isStarting }: { isStarting: boolean } = { isStarting: false },
) {
  const bounded = (time_ns = 0, default_ms = DEFAULT_MS) => {
    return Math.min(Math.max(time_ns / NS_PER_MS || default_ms, 1), HEALTH_LONGEST_MS);
  };
  const interval_ms = isStarting ? bounded(StartInterval, START_DEFAULT_MS) : bounded(Interval);
  return { interval_ms, timeout_s: bounded(Timeout) / 1000 };
}

/** The file of a container's health, which ends with its run. */
export function healthFile({ state }: Pick<Host, "state">, id: string): string {
  return path.join(state, "containers", id, "health.json");
}

export function readHealth(file: string): Health {
  const text = tolerateSync(() => readFileSync(file, "utf8"), errno("ENOENT"));
  if (text === undefined) return { Status: "starting", FailingStreak: 0, Log: [] };
  return JSON.parse(text) as Health;
}

/** Starts the process that tests a container's health until it ends; none without a test. */
export function startHealth({ self }: Host, { record, hand }: HandContainer): void {
  const [program, ...args] = self;
  if (hand.health === undefined || program === undefined) return;
  const words = [...args, "watch-health", record.id];
  const child = spawn(program, words, { stdio: "ignore", detached: true });
  // Its health then stays "starting".
  child.on("error", () => undefined);
  child.unref();
}
