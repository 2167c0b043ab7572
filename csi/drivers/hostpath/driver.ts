import { mkdir, realpath } from "node:fs/promises";
import path from "node:path";
import { mountPointsBelow } from "@raft2kube/linux/mountinfo.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { failedPrecondition, notFound } from "../../lib/errors.ts";
import { PendingOperations } from "../../lib/pending-operations.ts";
import { StateFile, StateFileError } from "../../lib/state-file.ts";
import type { Place } from "./create-volume.ts";
import {
  hostPathSchema,
  volumeOf,
  withVolume,
  withoutVolume,
  type HostPathState,
  type HostPathVolume,
} from "./state.ts";
import { VolumeDirectories } from "./volume-directories.ts";
import { mountsOfVolume } from "./volume-mounts.ts";

const log = logger("csi-hostpath");

/** What the services of the driver share. */
export interface HostPathDriver {
  readonly place: Place;
  readonly dataDir: string;
  readonly state: StateFile<HostPathState>;
  readonly directories: VolumeDirectories;
  readonly pending: PendingOperations;
  readonly clock: Clock;
}

/** Opens the driver's state and removes the directories that a crash left without an owner. */
export async function openDriver(options: {
  dataDir: string;
  place: Place;
  clock: Clock;
}): Promise<HostPathDriver> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  // The kernel's mount table has resolved paths; ours must compare equal to them.
  const dataDir = await realpath(options.dataDir);
  const state = await StateFile.open(path.join(dataDir, "state.json"), hostPathSchema);
  const directories = new VolumeDirectories(dataDir);
  await directories.prepare();
  await removeLeftovers(dataDir, state, directories);
  if (state.created) await state.write();
  const { place, clock } = options;
  return { place, dataDir, state, directories, pending: new PendingOperations(), clock };
}

/** Directories without a record were never acknowledged; with the record of all lost, they were. */
async function removeLeftovers(
  dataDir: string,
  state: StateFile<HostPathState>,
  directories: VolumeDirectories,
): Promise<void> {
  for (const kind of ["volumes", "snapshots"] as const) {
    const known = new Set(Object.keys(state.current[kind]));
    for (const id of await directories.leftovers(kind, known)) {
      if (state.created) {
        throw new StateFileError("STATE_MISSING", `${dataDir} has ${kind} but no state.json`, {
          remedy: "restore state.json; to give up their data, move the directory away",
        });
      }
      const directory = directories.pathOf(kind, id);
      const used = mountsOfVolume(directory).length > 0 || mountPointsBelow(directory).length > 0;
      if (used) log.warn("a directory without a record is mounted, left alone", { directory });
      else await directories.remove(kind, id);
    }
  }
}

/** The volume with this id. Throws NOT_FOUND. */
export function requireVolume(driver: HostPathDriver, id: string): HostPathVolume {
  const volume = volumeOf(driver.state.current, id);
  if (!volume) throw notFound(`volume ${id} does not exist`);
  return volume;
}

/** Makes the content, then the record: a crash in between leaves a directory that no one knows. */
export async function makeVolume(driver: HostPathDriver, volume: HostPathVolume): Promise<void> {
  const { directories, state } = driver;
  const { source } = volume;
  const from = source && directories.pathOf(`${source.kind}s`, source.id);
  await directories.create("volumes", volume.id, from);
  await state.change((current) => withVolume(current, volume));
}

/** Forgets the volume, then removes its content. Never deletes through a mount. */
export async function deleteVolume(driver: HostPathDriver, id: string): Promise<void> {
  const { directories, state } = driver;
  if (!volumeOf(state.current, id)) return;
  const directory = directories.pathOf("volumes", id);
  const used = mountsOfVolume(directory)[0]?.mountPoint ?? mountPointsBelow(directory)[0];
  if (used !== undefined) throw failedPrecondition(`volume ${id} is in use: mounted at ${used}`);
  await state.change((current) => withoutVolume(current, id));
  await directories.remove("volumes", id);
}
