import { existsSync, readFileSync } from "node:fs";
import { spanWords } from "../format/words.ts";
import type { HandContainer, PublishedPort } from "./hand.ts";
import { healthFile, readHealth } from "./health.ts";
import type { Engine } from "./open-engine.ts";

/** docker's states; no container is in the last two here. */
export const STATES = "created running paused restarting exited removing dead".split(" ");

/** How long after its time a start that is due counts as one that comes. */
const RESTART_OVERDUE_MS = 10_000;

/** Whether its policy has a container that has ended started again. */
export function restartsAgain({ record, hand }: HandContainer): boolean {
  const { restart, isStopped, restarts, removesItself } = hand;
  if (isStopped || removesItself || restart.name === "no") return false;
  if (restart.name !== "on-failure") return true;
  const failed = record.phase.state === "exited" && record.phase.exit.exitCode !== 0;
  return failed && (restart.times === undefined || restarts < restart.times);
}

/** The state of a container, in docker's words. */
export function stateOf(engine: Engine, { record, hand }: HandContainer): string {
  const { state } = record.phase;
  if (state === "starting") return "created";
  if (record.phase.state === "exited") {
    const { restartsAt_ms = 0, isStopped = false } = hand;
    const due_ms = Math.max(restartsAt_ms, record.phase.exit.finishedAt_ms) + RESTART_OVERDUE_MS;
    const comes = !isStopped && (restartsAt_ms > 0 || restartsAgain({ record, hand }));
    return comes && engine.host.clock.now() < due_ms ? "restarting" : "exited";
  }
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

/** `healthy`, `unhealthy` or `starting`; `none` without a test, or a process. */
export function healthOf({ host }: Engine, { record, hand }: HandContainer): string {
  if (hand.health === undefined || record.phase.state !== "running") return "none";
  return readHealth(healthFile(host, record.id)).Status;
}

/** `Up 2 hours (healthy)`, `Exited (0) 3 days ago`. */
export function statusWords(engine: Engine, container: HandContainer): string {
  const { phase } = container.record;
  const now_ms = engine.host.clock.now();
  if (phase.state === "exited") {
    const word = stateOf(engine, container) === "restarting" ? "Restarting" : "Exited";
    return `${word} (${phase.exit.exitCode}) ${spanWords(now_ms - phase.exit.finishedAt_ms)} ago`;
  }
  if (phase.state !== "running") return "Created";
  const paused = stateOf(engine, container) === "paused" ? " (Paused)" : "";
  const found = healthOf(engine, container);
  const health = { none: "", starting: " (health: starting)" }[found] ?? ` (${found})`;
  return `Up ${spanWords(now_ms - phase.startedAt_ms)}${health}${paused}`;
}

/** `0.0.0.0:8080->80/tcp`. */
export function portWords({ hostIp, hostPort, containerPort, protocol }: PublishedPort): string {
  return `${hostIp || "0.0.0.0"}:${hostPort}->${containerPort}/${protocol}`;
}
