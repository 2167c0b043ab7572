import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { deleteNetns } from "@raft2kube/linux/namespace/netns.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { withoutProgram } from "./container/create.ts";
import { recordEnd, recordExit } from "./container/exit.ts";
import { unmountImageVolumes } from "./container/image-volumes.ts";
import type { ContainerRecord } from "./container/record.ts";
import { unmountRootfs } from "./container/rootfs.ts";
import {
  type Base,
  type Events,
  type Network,
  ociOf,
  type ProcessPorts,
  type Records,
} from "./ports.ts";
import { identify } from "./process-identity.ts";
import { unmountSandboxFiles } from "./sandbox/files.ts";

type SettlePorts = ProcessPorts & Events;

/** Exit code of a container that ended with the runtime or machine, unseen. */
const LOST_CODE = 255;

/** Records the end of a container that was not observed, and releases its remaining resources. */
function lose(runtime: ProcessPorts, record: ContainerRecord, message: string): Promise<void> {
  return recordEnd(runtime, record, { exitCode: LOST_CODE, reason: "Unknown", message });
}

/**
 * Determines the outcome of a container that was being started when the runtime stopped. It runs,
 * or has run (conmon's exit file): then it is recorded as running, and `recordExit` decides whether
 * it still does. Otherwise, also when it was created and never started, it is lost.
 */
async function settleStarting(runtime: SettlePorts, record: ContainerRecord): Promise<void> {
  // lab:10 begin settleStarting
  const state = await ociOf(runtime, record, { isOver: true }).state(record.id);
  const process = state?.status === "running" ? identify(state.pid) : undefined;
  const ended = existsSync(runtime.paths.container(record.id).exitFile);
  if (!process && !ended) {
    await lose(runtime, record, "the runtime was restarted while it was being started");
    return;
  }
  // An ended one passes through running, so that its exit is found out the same way.
  const startedAt_ms = runtime.clock.now();
  const phase = {
    state: "running",
    startedAt_ms,
    process: process ?? { pid: state?.pid ?? 0, startTicks: "" },
  } as const;
  await runtime.containers.put({ ...record, phase });
  await recordExit(runtime, record.id);
  // lab:10 end
}

async function settle(runtime: SettlePorts, record: ContainerRecord): Promise<void> {
  switch (record.phase.state) {
    case "running":
      await recordExit(runtime, record.id);
      break;
    case "starting":
      await settleStarting(runtime, record);
      break;
    case "created":
      // Its bundle and root go with the machine's run.
      if (!existsSync(runtime.paths.container(record.id).config)) {
        await lose(runtime, record, "the machine was restarted before it was started");
      }
      break;
    case "exited":
      break;
  }
}

/** Returns the ids in a directory that have no record. */
async function strangers(directory: string, known: (id: string) => boolean): Promise<string[]> {
  await mkdir(directory, { recursive: true, mode: 0o711 });
  return (await readdir(directory)).filter((id) => !known(id));
}

/** Removes what interrupted calls left in the state directory. */
async function removeStrangers(runtime: Base & Records): Promise<void> {
  const { paths, containers, sandboxes } = runtime;
  const isContainer = (id: string) => containers.find(id) !== undefined;
  const isSandbox = (id: string) => sandboxes.find(id) !== undefined;
  for (const id of await strangers(path.join(paths.state, "containers"), isContainer)) {
    await unmountRootfs(paths.container(id));
    await unmountImageVolumes(paths.container(id));
    await removePath(paths.container(id).run);
  }
  for (const id of await strangers(path.join(paths.state, "sandboxes"), isSandbox)) {
    await unmountSandboxFiles(paths.sandbox(id));
    await removePath(paths.sandbox(id).run);
  }
  for (const id of await strangers(paths.netns, isSandbox)) deleteNetns(paths.sandbox(id).netns);
  for (const id of await strangers(paths.exits, isContainer)) {
    await rm(paths.container(id).exitFile, { force: true });
  }
}

/**
 * Reconciles the records with the running containers after a start: containers may have ended or be
 * half created. Running ones are not touched.
 */
export async function reconcile(runtime: ProcessPorts & Network & Events): Promise<void> {
  await runtime.sandboxes.load(runtime.paths.sandboxes);
  // An earlier version recorded the programs of pods' containers too.
  await runtime.containers.load(runtime.paths.containers, withoutProgram);
  await removeStrangers(runtime);
  for (const record of runtime.containers.values()) await settle(runtime, record);
  try {
    await runtime.network.collect(runtime.sandboxes.values());
  } catch (error) {
    // Not essential: the next start retries.
    runtime.log.warn("could not collect leftovers of the network", { why: messageOf(error) });
  }
}
