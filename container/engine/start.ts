import { renewContainer } from "@raft2kube/runtime/container/create.ts";
import { type StartOptions, startContainer } from "@raft2kube/runtime/container/start.ts";
import { resumeSandbox } from "@raft2kube/runtime/sandbox/run.ts";
import type { HandContainer } from "./hand.ts";
import { startHealth } from "./health.ts";
import type { Engine } from "./open-engine.ts";
import { reportToPeers, writeHosts } from "./sandbox.ts";

/**
 * Starts a container that was created or has ended; one that runs stays. With `isWatched` the
 * caller releases it when it has ended; without, conmon calls for that. With `isAgain` its policy
 * starts it: the starts are counted on.
 */
export async function startHand(
  engine: Engine,
  container: HandContainer,
  {
    created,
    isWatched = false,
    isAgain = false,
  }: Pick<StartOptions, "created"> & { isWatched?: boolean; isAgain?: boolean } = {},
): Promise<HandContainer> {
  const { runtime, containers, host } = engine;
  const { record, hand } = containers.again(container);
  if (record.phase.state === "running") return { record, hand };
  const { id, sandboxId } = record;
  const joins = hand.network.startsWith("container:");
  const isNew = record.phase.state === "created";
  const due = hand.restartsAt_ms ? { restartsAt_ms: 0 } : {};
  const counts = isAgain || hand.restarts === 0 ? {} : { restarts: 0, shortRuns: 0 };
  const settled = { isStopped: false, ...counts, ...due, ...(!isNew && { isUnfinished: false }) };
  await containers.change({ record, hand }, settled);
  if (!isNew) {
    if (!joins) {
      await engine.networks.separate();
      await resumeSandbox(runtime, sandboxId);
      await writeHosts(engine, sandboxId, hand);
      await reportToPeers(engine, hand);
    }
    await renewContainer(runtime, id);
  }
  const exitCommand = [...host.self, "on-end", id];
  const watch = isWatched && hand.restart.name === "no" ? {} : { exitCommand };
  await startContainer(runtime, id, { ...(created && { created }), ...watch });
  const started = containers.again({ record, hand });
  startHealth(host, started);
  return started;
}
