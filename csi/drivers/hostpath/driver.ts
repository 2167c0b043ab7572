import { mkdir, realpath } from "node:fs/promises";
import path from "node:path";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { failedPrecondition, notFound } from "../../lib/errors.ts";
import { PendingOperations } from "../../lib/pending-operations.ts";
import { StateFile, StateFileError } from "../../lib/state-file.ts";
import { requireUnstaged } from "./block-device.ts";
import type { Place } from "./create-volume.ts";
import { HeldDevices } from "./held-devices.ts";
import {
  type HostPathState,
  type HostPathVolume,
  hostPathSchema,
  volumeOf,
  withoutVolume,
  withVolume,
} from "./state.ts";
import { type ContentForm, VolumeContents } from "./volume-contents.ts";
import { mountsOfVolume } from "./volume-mounts.ts";

const log = logger("csi-hostpath");

/** The common parts of the driver's services. */
export interface HostPathDriver {
  readonly place: Place;
  readonly dataDir: string;
  readonly state: StateFile<HostPathState>;
  readonly contents: VolumeContents;
  readonly held: HeldDevices;
  readonly pending: PendingOperations;
  readonly clock: Clock;
  /** 0: unlimited. */
  readonly maxVolumesPerNode: number;
  readonly mutableParameters: readonly string[];
}

/**
 * Opens the driver's state, removes the contents that a crash left without a record, and holds the
 * devices of block volumes. `form` is that of new volumes, found out where it is left out.
 */
export async function openDriver(options: {
  dataDir: string;
  place: Place;
  clock: Clock;
  form?: ContentForm | undefined;
  maxVolumesPerNode?: number;
  mutableParameters?: readonly string[];
}): Promise<HostPathDriver> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  // The kernel's mount table has resolved paths; ours must compare equal to them.
  const dataDir = await realpath(options.dataDir);
  const state = await StateFile.open(path.join(dataDir, "state.json"), hostPathSchema);
  const contents = new VolumeContents(dataDir, options.form);
  await contents.prepare();
  await removeLeftovers(dataDir, state, contents);
  if (state.created) await state.write();
  const held = new HeldDevices();
  const blocks = Object.values(state.current.volumes).filter(({ block }) => block);
  held.reopen(new Set(blocks.map(({ id }) => contents.pathOf("volumes", id))));
  const { place, clock, maxVolumesPerNode = 0, mutableParameters = [] } = options;
  const pending = new PendingOperations();
  return {
    place,
    dataDir,
    state,
    contents,
    held,
    pending,
    clock,
    maxVolumesPerNode,
    mutableParameters,
  };
}

/** Contents without a record were never acknowledged; with the record of all lost, they were. */
async function removeLeftovers(
  dataDir: string,
  state: StateFile<HostPathState>,
  contents: VolumeContents,
): Promise<void> {
  for (const kind of ["volumes", "snapshots"] as const) {
    const known = new Set(Object.keys(state.current[kind]));
    for (const id of await contents.leftovers(kind, known)) {
      if (state.created) {
        throw new StateFileError("STATE_MISSING", `${dataDir} has ${kind} but no state.json`, {
          remedy: "restore state.json; to give up their data, move the directory away",
        });
      }
      const content = contents.pathOf(kind, id);
      const used = mountsOfVolume(content).length > 0 || mountPointsBelow(content).length > 0;
      if (used) log.warn("a volume without a record is mounted, left alone", { content });
      else await contents.remove(kind, id);
    }
  }
}

/** The volume with this id. Throws NOT_FOUND. */
export function requireVolume(driver: HostPathDriver, id: string): HostPathVolume {
  const volume = volumeOf(driver.state.current, id);
  if (!volume) throw notFound(`volume ${id} does not exist`);
  return volume;
}

/** Makes the content, then the record: a crash in between leaves one without a record. */
export async function makeVolume(driver: HostPathDriver, volume: HostPathVolume): Promise<void> {
  // lab:16 begin make-volume
  const { contents, state } = driver;
  const { source, capacity_bytes, block } = volume;
  const from = source && ({ kind: `${source.kind}s`, id: source.id } as const);
  await contents.create("volumes", volume.id, { capacity_bytes, block, source: from });
  await state.change((current) => withVolume(current, volume));
  // lab:16 end
}

/** Forgets the volume, then removes its content. Never deletes through a mount. */
export async function deleteVolume(driver: HostPathDriver, id: string): Promise<void> {
  // lab:16 begin delete-volume
  const { contents, state } = driver;
  const volume = volumeOf(state.current, id);
  if (!volume) return;
  const content = contents.pathOf("volumes", id);
  const used = mountsOfVolume(content)[0]?.mountPoint ?? mountPointsBelow(content)[0];
  if (used !== undefined) throw failedPrecondition(`volume ${id} is in use: mounted at ${used}`);
  if (volume.block) requireUnstaged(id, content);
  await state.change((current) => withoutVolume(current, id));
  await contents.remove("volumes", id);
  // lab:16 end
}
