import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { open, rmdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { DetachedMount } from "@raft2kube/linux/mount/detached-mount.ts";
import { loopDevicesOf, openLoopDevice } from "@raft2kube/linux/mount/loop-device.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { internal, resourceExhausted } from "../../lib/errors.ts";
import {
  BLOCK_BYTES,
  IMAGE_BYTES_MIN,
  INODE_BYTES,
  JOURNAL_BYTES,
  JOURNAL_FROM_BYTES,
  PROGRAM_TIMEOUT_MS,
  REPAIR_MS_PER_GIB,
  SYNC_TIMEOUT_MS,
} from "./limits.ts";

const log = logger("csi-hostpath");
const run = promisify(execFile);
const RUN = { timeout: PROGRAM_TIMEOUT_MS, killSignal: "SIGKILL" } as const;

/** ext4's ioctl to grow while mounted; its argument is a number of blocks (fs/ext4/ext4.h). */
const EXT4_IOC_RESIZE_FS = 0x40086610;
/** e2fsck(8): what is above was not corrected. */
const FSCK_CORRECTED_MAX = 3;

/** Where an ext4's superblock has its compatible features, and the one of a journal. */
const FEATURES_AT = 1024 + 0x5c;
const HAS_JOURNAL = 0x4;

/** Length of the image of a volume: space for a journal comes on top of the requested size. */
function imageSize(capacity_bytes: number, hasJournal: boolean): number {
  const size = Math.max(capacity_bytes, IMAGE_BYTES_MIN) + (hasJournal ? JOURNAL_BYTES : 0);
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Makes a sparse file with an empty ext4 in it, whose root directory every user may write to. It is
 * synced, its name is not. The programs get it by descriptor: one that outlives this process never
 * writes to another file of that name.
 */
export async function makeImage(file: string, capacity_bytes: number): Promise<void> {
  const hasJournal = capacity_bytes >= JOURNAL_FROM_BYTES;
  const handle = await open(file, "wx+", 0o600);
  try {
    await handle.truncate(imageSize(capacity_bytes, hasJournal));
    const journal = hasJournal
      ? ["-J", `size=${JOURNAL_BYTES / 1024 ** 2}`, "-E", "lazy_journal_init=1"]
      : ["-O", "^has_journal"];
    const tables = ["-b", String(BLOCK_BYTES), "-i", String(INODE_BYTES)];
    await run("mkfs.ext4", ["-q", "-F", "-m", "0", ...tables, ...journal, pathOf(handle.fd)], RUN);
    using mount = mountImage(file);
    setDirectoryMode(mount.path, 0o777);
    await rmdir(path.join(mount.path, "lost+found"));
  } finally {
    await handle.close();
  }
  await syncFile(file);
}

/**
 * Mounts the file system of an image, without showing it anywhere, as often as it is asked for; the
 * loop device goes with the last mount. Repairs a file system that a crash of the machine left. The
 * host gets the blocks of deleted files back (`discard`).
 */
export async function openImage(file: string, attributes = 0): Promise<DetachedMount> {
  if (!isAttached(file)) await repair(file);
  return mountImage(file, attributes);
}

function mountImage(file: string, attributes = 0): DetachedMount {
  using device = openLoopDevice(file);
  const how = { type: "ext4", options: ["discard"], attributes };
  return DetachedMount.open({ ...how, source: device.path });
}

/** Whether a loop device of the image is there: it is mounted somewhere. */
export const isAttached = (file: string): boolean => loopDevicesOf(file).length > 0;

/**
 * Grows an image and its file system to the capacity, while it is in use too. The kernel allows it
 * those with CAP_SYS_RESOURCE: EPERM. An image that is large enough stays as it is.
 */
export async function growImage(file: string, capacity_bytes: number): Promise<void> {
  using mount = await openImage(file);
  using device = openLoopDevice(file);
  const handle = await open(file, "r+");
  let size: number;
  try {
    // One that started without a journal stays without.
    const features = Buffer.alloc(4);
    await handle.read(features, 0, features.length, FEATURES_AT);
    size = imageSize(capacity_bytes, (features.readUInt32LE() & HAS_JOURNAL) !== 0);
    const before = await handle.stat();
    if (before.size < size) await handle.truncate(size);
    else size = before.size;
  } finally {
    await handle.close();
  }
  device.updateSize();
  const blocks = Buffer.alloc(8);
  blocks.writeBigUInt64LE(BigInt(size / BLOCK_BYTES));
  const root = openSync(mount.path, "r");
  try {
    check("ioctl", libc.ioctl(root, EXT4_IOC_RESIZE_FS, blocks), `EXT4_IOC_RESIZE_FS of ${file}`);
  } finally {
    closeSync(root);
  }
  await syncFile(file);
}

/** Failures of a kernel, or of a process without the rights, that makes no images at all. */
const LASTING = ["EPERM", "EACCES", "ENODEV", "ENXIO", "ENOSYS", "ENOTTY", "EINVAL", "EOPNOTSUPP"];

/**
 * Why images cannot be made here, determined by making one in `directory`; undefined where they
 * can. Throws on temporary failures, which prove nothing: RESOURCE_EXHAUSTED when the disk is full,
 * INTERNAL otherwise.
 */
export async function imagesMissing(directory: string): Promise<string | undefined> {
  const probe = path.join(directory, `.probe-${randomUUID()}`);
  try {
    await makeImage(probe, IMAGE_BYTES_MIN);
    return undefined;
  } catch (thrown) {
    if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw resourceExhausted(messageOf(thrown));
    // Without mkfs.ext4, /dev/loop-control or the device's node; not without `directory`.
    const { path: missing = "" } = thrown as NodeJS.ErrnoException;
    const lacks = isErrno(thrown, "ENOENT") && missing !== probe;
    if (lacks || isErrno(thrown, ...LASTING)) return messageOf(thrown);
    throw internal(`making an image failed, which may pass: ${messageOf(thrown)}`);
  } finally {
    await removePath(probe);
  }
}

/** Makes what was written to a file survive a power loss. */
export async function syncFile(file: string): Promise<void> {
  await using handle = await open(file, "r+");

  await handle.sync();
}

/**
 * Writes out what the kernel has in memory of `what`, as sync(1) takes it, in a process of its own:
 * the last unmount does it in the caller's thread, and fsync(2) in one of the few of Node's pool,
 * for as long as the disk takes for all that a pod wrote. A failure is left to the unmount, or the
 * last close. Throws INTERNAL when it takes longer than SYNC_TIMEOUT_MS.
 */
export async function writeOut(what: readonly string[]): Promise<void> {
  try {
    await run("sync", what, { timeout: SYNC_TIMEOUT_MS, killSignal: "SIGKILL" });
  } catch (thrown) {
    if ((thrown as { killed?: boolean }).killed) {
      throw internal(`${what.at(-1)} is not written out after ${SYNC_TIMEOUT_MS / 1000} s`);
    }
    log.warn("a volume was not written out", { what, error: messageOf(thrown) });
  }
}

/** `e2fsck -p`, as a mount at boot has it. Without the program the kernel's own checks remain. */
async function repair(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    const timeout = repairTimeout_ms((await handle.stat()).size);
    await run("e2fsck", ["-p", pathOf(handle.fd)], { ...RUN, timeout });
  } catch (thrown) {
    const { code } = thrown as { code?: unknown };
    if (code === "ENOENT") return;
    if (typeof code !== "number" || code > FSCK_CORRECTED_MAX) {
      throw internal(repairFailure(file, thrown));
    }
    log.warn("repaired the file system of a volume", { file });
  } finally {
    await handle.close();
  }
}

/** How long e2fsck may take for an image of this size. */
export function repairTimeout_ms(size: number): number {
  return PROGRAM_TIMEOUT_MS + Math.ceil(size / 1024 ** 3) * REPAIR_MS_PER_GIB;
}

/** Describes a failed e2fsck: one that was killed proves nothing about the image. */
export function repairFailure(file: string, thrown: unknown): string {
  const { killed, signal } = thrown as { killed?: boolean; signal?: string | null };
  if (killed) return `the check of ${file} was ended by its time limit; e2fsck -p ${file} has none`;
  if (signal) return `the check of ${file} was ended by ${signal}`;
  return `${file} is damaged: ${messageOf(thrown)}; e2fsck -f ${file} may repair it`;
}

/** A descriptor of this process as a path for its children. */
const pathOf = (fd: number): string => `/proc/${process.pid}/fd/${fd}`;
