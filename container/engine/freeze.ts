import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { ociOf } from "@raft2kube/runtime/ports.ts";
import type { HandContainer } from "./hand.ts";
import { requireCgroups } from "./host.ts";
import type { Engine } from "./open-engine.ts";
import { stateOf } from "./state.ts";

/** The mark of a container that a command has frozen for a while, gone with the machine's run. */
function markOf({ runtime }: Engine, { record }: HandContainer): string {
  return path.join(runtime.paths.container(record.id).run, "frozen");
}

/**
 * Runs `work` while a container's processes are frozen. A command that is killed meanwhile leaves a
 * mark, by which the next one thaws them. One that is paused or does not run stays as it is.
 */
export async function whileFrozen<T>(
  engine: Engine,
  container: HandContainer,
  work: () => Promise<T>,
): Promise<T> {
  if (stateOf(engine, container) !== "running") return work();
  requireCgroups(engine.host, "commit without --no-pause");
  await writeFile(markOf(engine, container), "");
  try {
    await ociOf(engine.runtime, container.record).pause(container.record.id);
    return await work();
  } finally {
    await thaw(engine, container);
  }
}

/** Thaws the processes that a command has frozen for a while; no others. */
export async function thaw(engine: Engine, container: HandContainer): Promise<void> {
  const mark = markOf(engine, container);
  if (!existsSync(mark)) return;
  if (stateOf(engine, container) === "paused") {
    await ociOf(engine.runtime, container.record).resume(container.record.id);
  }
  await rm(mark, { force: true });
}
