import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { HandContainer } from "./hand.ts";
import type { Host } from "./host.ts";

/** A container's health, in docker's words. */
export interface Health {
  Status: "starting" | "healthy" | "unhealthy";
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

/** The file of a container's health, which ends with its run. */
export function healthFile({ state }: Pick<Host, "state">, id: string): string {
  return path.join(state, "containers", id, "health.json");
}

export function readHealth(file: string): Health {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Health;
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    return { Status: "starting", FailingStreak: 0, Log: [] };
  }
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
