import { assertLimits } from "@raft2kube/std/assert.ts";

/** The largest capacity that is recorded for a volume: 1 PiB. NFS does not enforce it. */
export const CAPACITY_BYTES_MAX = 1024 ** 5;

/** How long a mount may take, of the share's root or of a volume. */
export const MOUNT_TIMEOUT_MS = 20_000;

/** How long an unmount may write out what the node has in memory; then the mount is detached. */
export const UNMOUNT_TIMEOUT_MS = 10_000;

/** How long a server may take for the statistics of a volume. */
export const STATS_TIMEOUT_MS = 5_000;

/** How long a call may run that changes directories and records in a share. */
export const SHARE_TIMEOUT_MS = 30_000;

/** How long a call may run that copies, archives or removes the content of a volume. */
export const CONTENT_TIMEOUT_MS = 10 * 60_000;

/** How long the work of such a call may take itself: the rest is for removing what it left. */
export const CONTENT_WORK_TIMEOUT_MS = CONTENT_TIMEOUT_MS - 60_000;

/**
 * Processes at work on one server, copies, removals and unmounting apart: with more, a server that
 * hangs would take those of others.
 */
export const PROCESSES_PER_SERVER_MAX = 4;
/**
 * Copies of these that a namespace may have, and snapshots of all namespaces together: some never
 * end in time, and are tried again.
 */
export const PROCESSES_PER_NAMESPACE_MAX = 2;

/** Removals that are remembered because they did not end in time; the oldest are forgotten. */
export const LONG_REMOVALS_MAX = 1024;

/** Processes that wait for work, and how long they do. */
export const PROCESSES_IDLE_MAX = 2;
export const PROCESS_IDLE_MS = 30_000;

/** Time until a process must have sent its first report; it is killed after it. */
export const PROCESS_START_TIMEOUT_MS = 20_000;

/**
 * Memory of tar, which keeps the names of files that have several, and of directories whose times
 * it sets at the end: their users choose how many there are, and how long their paths.
 */
export const TAR_MEMORY_KIB_MAX = 512 << 10;

/** Messages of a failed program that are kept. */
export const PROGRAM_OUTPUT_BYTES_MAX = 16 << 10;

/** A record of a volume or snapshot in the share. */
export const RECORD_BYTES_MAX = 16 << 10;

/** Records that are searched for volumes beneath a directory which exists already. */
export const RECORDS_MAX = 100_000;

/** A path of the server, and one part of a volume's directory (NAME_MAX). */
export const SHARE_BYTES_MAX = 1024;
export const NAME_BYTES_MAX = 255;

/** Parts of a volume's directory beneath the share. */
export const SUB_DIR_PARTS_MAX = 16;

/** Time that the kernel waits for an answer in the driver's own mounts, in tenths of a second. */
export const OWN_TIMEO_DS = 50;
export const OWN_RETRANS = 2;

assertLimits({
  "a namespace leaves copies to others": PROCESSES_PER_NAMESPACE_MAX < PROCESSES_PER_SERVER_MAX,
  "statistics fail before a mount": STATS_TIMEOUT_MS < MOUNT_TIMEOUT_MS,
  "a content call may take longer than one on records": SHARE_TIMEOUT_MS < CONTENT_WORK_TIMEOUT_MS,
  "a content call can clean up before it is ended":
    CONTENT_WORK_TIMEOUT_MS + SHARE_TIMEOUT_MS <= CONTENT_TIMEOUT_MS,
});
