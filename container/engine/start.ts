import { renewContainer } from "@raft2kube/runtime/container/create.ts";
import { type StartOptions, startContainer } from "@raft2kube/runtime/container/start.ts";
import { resumeSandbox } from "@raft2kube/runtime/sandbox/run.ts";
import type { HandContainer } from "./hand.ts";
import { startHealth } from "./health.ts";
import type { Engine } from "./open-engine.ts";
import { reportToPeers, writeHosts } from "./sandbox.ts";

/**
 * Starts a container that was created or has ended; one that runs stays. With `isWatched` the
 * caller releases it when it has ended; without, conmon calls for that.
 */
export async function startHand(
  engine: Engine,
  container: HandContainer,
  { created, isWatched = false }: Pick<StartOptions, "created"> & { isWatched?: boolean } = {},
): Promise<HandContainer> {
  const { runtime, containers, host } = engine;
  const { record, hand } = containers.again(container);
  if (record.phase.state === "running") return { record, hand };
  const { id, sandboxId } = record;
  const joins = hand.network.startsWith("container:");
  const isNew = record.phase.state === "created";
  const settled = { isStopped: false, ...(!isNew && { isUnfinished: false }) };
  await containers.change({ record, hand }, settled);
  if (!isNew) {
    if (!joins) {
      await engine.networks.separate();
      await resumeSandbox(runtime, sandboxId);
      await writeHosts(engine, sandboxId, hand);
      await reportToPeers(engine, sandboxId, hand);
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
