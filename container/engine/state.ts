import { existsSync, readFileSync } from "node:fs";
import { spanWords } from "../format/words.ts";
import type { HandContainer, PublishedPort } from "./hand.ts";
import { healthFile, readHealth } from "./health.ts";
import type { Engine } from "./open-engine.ts";

export type StateName = "created" | "running" | "paused" | "exited";

/** The state of a container, in docker's words. */
export function stateOf(engine: Engine, { record }: HandContainer): StateName {
  const { state } = record.phase;
  if (state === "starting") return "created";
  return state === "running" && isPaused(engine, record.cgroup) ? "paused" : state;
}

/**
 * Whether the freezer holds a cgroup: v1 by its own hierarchy, v2 by a file of the group. One that
 * is still on its way there (FREEZING) is held too: a command that thaws it must not pass it over.
 */
function isPaused({ runtime }: Engine, cgroup: string): boolean {
  const [file, thawed] =
    runtime.cgroups.version === 2
      ? [`/sys/fs/cgroup${cgroup}/cgroup.freeze`, "0"]
      : [`/sys/fs/cgroup/freezer${cgroup}/freezer.state`, "THAWED"];
  return existsSync(file) && readFileSync(file, "utf8").trim() !== thawed;
}

/** `Up 2 hours (healthy)`, `Exited (0) 3 days ago`. */
export function statusWords(engine: Engine, container: HandContainer): string {
  const { record, hand } = container;
  const { phase } = record;
  const now_ms = engine.host.clock.now();
  if (phase.state === "exited") {
    return `Exited (${phase.exit.exitCode}) ${spanWords(now_ms - phase.exit.finishedAt_ms)} ago`;
  }
  if (phase.state !== "running") return "Created";
  const paused = stateOf(engine, container) === "paused" ? " (Paused)" : "";
  const health = hand.health ? ` (${readHealth(healthFile(engine.host, record.id)).Status})` : "";
  return `Up ${spanWords(now_ms - phase.startedAt_ms)}${health}${paused}`;
}

/** `0.0.0.0:8080->80/tcp`. */
export function portWords({ hostIp, hostPort, containerPort, protocol }: PublishedPort): string {
  return `${hostIp || "0.0.0.0"}:${hostPort}->${containerPort}/${protocol}`;
}
