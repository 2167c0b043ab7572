import { rm } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { removeContainer } from "@raft2kube/runtime/container/remove.ts";
import { unmountRootfs } from "@raft2kube/runtime/container/rootfs.ts";
import { removePodSandbox, stopPodSandbox } from "@raft2kube/runtime/sandbox/stop.ts";
import type { HandContainer } from "./hand.ts";
import type { Engine } from "./open-engine.ts";

/**
 * Releases what ended containers still have: their network, mounts and namespaces; those of `--rm`
 * go altogether. Containers that an interrupted command had not made to the end are removed, as are
 * sandboxes and logs without a container.
 */
export async function settle(engine: Engine): Promise<void> {
  const { runtime, containers } = engine;
  for (const container of containers.all()) {
    const { state } = container.record.phase;
    if (isUnfinished(container)) await removeHand(engine, container, { volumes: true });
    else if (state === "exited") await release(engine, container);
  }
  const used = new Set(containers.all().map(({ record }) => record.sandboxId));
  for (const { id } of runtime.sandboxes.values()) {
    if (!used.has(id)) await removePodSandbox(runtime, id);
  }
  const folder = path.join(engine.host.root, "logs");
  const logs = new Set(containers.all().map(({ hand }) => hand.log));
  for (const name of await namesIn(folder)) {
    if (!logs.has(name)) await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

/** Whether the command that makes a container was killed before its program was started. */
function isUnfinished({ record: { phase }, hand }: HandContainer): boolean {
  if (!hand.isUnfinished || phase.state === "running") return false;
  // A program that cannot be started is no interruption: the container says why.
  return (
    phase.state !== "exited" || (phase.startedAt_ms === 0 && phase.exit.reason !== "StartError")
  );
}

/** Releases an ended container, or removes it if it removes itself. Again is no error. */
export async function release(engine: Engine, container: HandContainer): Promise<void> {
  const { runtime, containers } = engine;
  const { record, hand } = container;
  if (hand.removesItself) return removeHand(engine, container, { volumes: true });
  const sandbox = runtime.sandboxes.find(record.sandboxId);
  const isShared = containers.all().some((other) => {
    const { id, sandboxId, phase } = other.record;
    return id !== record.id && sandboxId === record.sandboxId && phase.state !== "exited";
  });
  await unmountRootfs(runtime.paths.container(record.id));
  if (sandbox?.state === "ready" && !isShared) await stopPodSandbox(runtime, record.sandboxId);
}

/** Removes a container with its log, its sandbox, and with `volumes` its anonymous volumes. */
export async function removeHand(
  engine: Engine,
  { record, hand }: HandContainer,
  options: { volumes: boolean },
): Promise<void> {
  const { runtime, containers, volumes, host } = engine;
  await removeContainer(runtime, record.id);
  const isShared = containers.all().some((other) => other.record.sandboxId === record.sandboxId);
  if (!isShared) await removePodSandbox(runtime, record.sandboxId);
  await rm(path.join(host.root, "logs", hand.log), { recursive: true, force: true });
  if (!options.volumes) return;
  const others = containers.all().flatMap((other) => other.hand.mounts);
  for (const { name, isAnonymous } of hand.mounts) {
    if (name === undefined || !isAnonymous) continue;
    if (!others.some((mount) => mount.name === name)) await volumes.remove(name);
  }
}
