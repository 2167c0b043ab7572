import type { MountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { PendingOperations } from "../../lib/pending-operations.ts";
import type { InShare } from "./in-share/operations.ts";
import { type MountOptions, ownMountOptions } from "./mount-options.ts";
import type { Removals } from "./removals.ts";
import type { Share } from "./share.ts";
import type { ShareProcesses } from "./share-processes.ts";

/** The common parts of the driver's services. */
export interface NfsDriver {
  readonly nodeId: string;
  readonly processes: ShareProcesses;
  readonly removals: Removals;
  readonly pending: PendingOperations;
  /** The options of the driver's own mounts, beside those of a class. */
  readonly mount: MountOptions;
  /** The server's directory that a mount shows, `server:/share/volume`; undefined for others. */
  readonly sourceOfMount: (mount: MountInfo) => string | undefined;
  readonly clock: Clock;
}

/**
 * The share as the driver mounts it for itself. CreateVolume alone receives the options of a class;
 * where it has none, and in every other call, the driver's own hold.
 */
export function inShare({ mount }: NfsDriver, share: Share, given?: MountOptions): InShare {
  const ofClass = given !== undefined && given.options.length > 0;
  const options = ofClass ? given.options : mount.options;
  const versions = given && given.versions.length === 1 ? given.versions : mount.versions;
  const { attributes } = given ?? mount;
  return { share, mount: ownMountOptions({ options, versions, attributes }) };
}
