import { assertLimits } from "@raft2kube/std/assert.ts";
import { CAPACITY_DEFAULT_BYTES } from "../../lib/limits.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** The largest volume given out; a claim beyond it is answered OUT_OF_RANGE. */
export const CAPACITY_BYTES_MAX = 1024 * GIB;

/** ext4's block size: its tables for a volume of CAPACITY_BYTES_MAX stay small. */
export const BLOCK_BYTES = 4096;

/** Bytes of a volume for each of its inodes, whose tables take 3 % of it. */
export const INODE_BYTES = 8192;

/** The smallest file system made: mkfs.ext4 needs some room for its tables. */
export const IMAGE_BYTES_MIN = 1 * MIB;

/** A file system's journal, the least that mkfs.ext4 makes, and from which size it has one. */
export const JOURNAL_BYTES = 4 * MIB;
export const JOURNAL_FROM_BYTES = 16 * MIB;

/** Volumes and snapshots of one driver: the state file is rewritten whole at each change. */
export const VOLUMES_MAX = 10_000;
export const SNAPSHOTS_MAX = 10_000;

/** Inline volumes among these, of which a pod may have hundreds: the others are for claims. */
export const INLINE_VOLUMES_MAX = 5_000;

/** Volumes of one group snapshot: they are copied one after the other within the call. */
export const GROUP_VOLUMES_MAX = 100;

/** How long a copy of a volume's content may run before it is ended and undone. */
export const COPY_TIMEOUT_MS = 10 * 60_000;

/** How long the last unmount of a volume waits for its dirty pages to be written. */
export const SYNC_TIMEOUT_MS = 10 * 60_000;

/** How long mkfs.ext4 may run; the largest volume takes it a second. */
export const PROGRAM_TIMEOUT_MS = 60_000;

/** e2fsck's additional time for each GiB of the image: a full check reads all of its tables. */
export const REPAIR_MS_PER_GIB = 2_000;

assertLimits({
  "claims have volumes beside inline ones": 2 * INLINE_VOLUMES_MAX <= VOLUMES_MAX,
  "a volume without a size is smaller than the largest":
    CAPACITY_DEFAULT_BYTES <= CAPACITY_BYTES_MAX,
  "a journal fits into the image that has one": JOURNAL_BYTES < JOURNAL_FROM_BYTES,
  "the smallest image has no journal": IMAGE_BYTES_MIN < JOURNAL_FROM_BYTES,
});
