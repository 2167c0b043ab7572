import {
  type BigIntStats,
  closeSync,
  opendirSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { inSlices, mapInSlices } from "@raft2kube/std/slices.ts";
import type { TreeUsage } from "../beneath/tree-usage.ts";
import { splitDeviceNumber } from "../file/special-file.ts";
import { type MountInfo, mountOf, readMountInfo } from "../mount/mountinfo.ts";
import { runProgram } from "./run-program.ts";

/** The kernel's mark of a file that no name leads to (proc_pid_fd(5), proc_pid_maps(5)). */
const UNLINKED = " (deleted)";
/** Files that are remembered; further ones count once for every descriptor and mapping. */
const FILES = 65_536;
const PIECE_BYTES = 4_096;
/** The unit of `blocks` in stat(2). */
const BLOCK_BYTES = 512n;
/** A line of /proc/PID/maps: its range, and the device of its file in hexadecimal digits. */
const MAPPING = /^([0-9a-f]+-[0-9a-f]+) \S+ \S+ ([0-9a-f]+):([0-9a-f]+) /;

/** A line of `find`: a mapping, and the path of its file. */
const MAPPED = /^(\/proc\/(\d+)\/map_files\/[0-9a-f]+-[0-9a-f]+) (\/.*)$/;
/** A line of `stat` about a regular file. */
const REGULAR = /^(\d+) (\d+) (\d+) (\d+) regular/;
/** How long another process may look at mappings. */
const ASIDE_MS_MAX = 2_000;
/** Bytes that it may write of those that it finds: some 60,000 have names of common length. */
const ASIDE_BYTES_MAX = 8 << 20;
/** Mapped files that one process is asked about. */
const STATS_MAX = 1_000;

/** A process that has ended, or one of a user namespace that this process has no rights in. */
const gone = errno("ENOENT", "ESRCH", "EACCES", "EPERM");

/** EINVAL: a process that has ended, and is not reaped, has no mounts. */
const unseen = errno("ENOENT", "ESRCH", "EACCES", "EPERM", "EINVAL");

/** The mount of a descriptor's file, in /proc/PID/fdinfo/N: reading it asks no file system. */
const MOUNT_ID = /^mnt_id:\s+(\d+)$/m;

/** The files to measure. */
export interface Measured {
  /** Whether the files of this mount, of one of the processes, are measured. */
  isOwn(mount: MountInfo): boolean;
  /** Devices (`major:minor`) that files of these mounts may have beside that of their mount. */
  devices: ReadonlySet<string>;
  /** Descriptors, mappings and mounts that are looked at. */
  looks_max: number;
  /** Whether the processes may have files of a server, by whichever way these came to them. */
  mayHaveServer: boolean;
}

/**
 * Measures the files on own mounts that no name leads to, and that these processes have open or
 * mapped: such a file takes its space until the last of them ends, and a walk of the directories
 * does not find it. A descriptor in the queue of a socket (SCM_RIGHTS) is not found, nor a file on
 * a mount that none of the processes sees (it came from others, or all changed their root).
 * Only a file of an own mount is looked at: a server that does not answer would stop the caller.
 * A reader of mappings also waits while their process waits for a server in mmap(2): if it may,
 * another process reads them, and those that it cannot read in time do not count.
 * Undefined if there are more descriptors, mappings and mounts than `looks_max`: processes that
 * share a table each show all of it, as those with a root of their own do mounts. Others run in
 * between.
 */
export async function unlinkedUsage(
  pids: readonly number[],
  { isOwn, devices, looks_max, mayHaveServer }: Measured,
): Promise<TreeUsage | undefined> {
  const usage: TreeUsage = { used_bytes: 0, inodes: 0 };
  const measure: Measure = {
    usage,
    found: new Set(),
    last: { view: undefined, mounts: [] },
    own: new Set(),
    devices: new Set(devices),
    looks: looks_max,
  };
  await inSlices(findMounts(pids, isOwn, measure));
  if (measure.looks < 0) return undefined;
  for (const pid of pids) {
    await inSlices(measureOpen(pid, measure));
    if (!mayHaveServer) await inSlices(measureMapped(pid, measure));
    if (measure.looks < 0) return undefined;
  }
  if (mayHaveServer) await measureAside(pids, measure);
  return measure.looks < 0 ? undefined : usage;
}

interface Measure {
  usage: TreeUsage;
  /** Inode numbers of the files that were counted: overlayfs gives those of the disk. */
  found: Set<bigint>;
  /** The last view's mounts: a pod has as many roots as processes, with thousands of mounts each. */
  last: { view: string | undefined; mounts: MountInfo[] };
  /** Ids of the own mounts, which are the machine's: another process's mount has no such id. */
  own: Set<number>;
  devices: Set<string>;
  /** Looks that are left; below 0 the measurement is incomplete. */
  looks: number;
}

function* findMounts(
  pids: readonly number[],
  isOwn: Measured["isOwn"],
  measure: Measure,
): Generator<void, void> {
  const seen = new Set<string | undefined>();
  for (const pid of pids) {
    yield;
    const view = viewOf(pid);
    if (view === undefined || seen.has(view)) continue;
    seen.add(view);
    for (const mount of mountsSeen(pid, measure).filter(isOwn)) {
      measure.own.add(mount.id);
      measure.devices.add(mount.device);
    }
    if (measure.looks < 0) return;
  }
}

/** The mounts of the process's mount namespace below its root directory; each is a look. */
function mountsSeen(pid: number, measure: Measure): MountInfo[] {
  const view = viewOf(pid);
  if (view === undefined) return [];
  if (view !== measure.last.view) {
    measure.last = { view, mounts: tolerateSync(() => readMountInfo(pid), unseen) ?? [] };
    measure.looks -= measure.last.mounts.length;
  }
  return measure.last.mounts;
}

/** Names the process's mount namespace and root directory. */
const viewOf = (pid: number): string | undefined =>
  tolerateSync(
    () => ["ns/mnt", "root"].map((of) => readlinkSync(`/proc/${pid}/${of}`)),
    gone,
  )?.join();

function* measureOpen(pid: number, measure: Measure): Generator<void, void> {
  for (const name of namesIn(`/proc/${pid}/fd`)) {
    if (--measure.looks < 0) return;
    yield;
    const file = `/proc/${pid}/fd/${name}`;
    if (unlinkedPath(file) === undefined) continue;
    const info =
      tolerateSync(() => readFileSync(`/proc/${pid}/fdinfo/${name}`, "utf8"), gone) ?? "";
    if (measure.own.has(Number(MOUNT_ID.exec(info)?.[1]))) count(file, measure);
  }
}

function* measureMapped(pid: number, measure: Measure): Generator<void, void> {
  for (const line of linesOf(`/proc/${pid}/maps`)) {
    if (--measure.looks < 0) return;
    yield;
    if (!line.endsWith(UNLINKED)) continue;
    const [, range, major = "", minor = ""] = MAPPING.exec(line) ?? [];
    const device = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`;
    if (!measure.devices.has(device)) continue;
    const file = `/proc/${pid}/map_files/${range}`;
    const path = unlinkedPath(file);
    if (path !== undefined && isOnOwnMount(pid, path, measure)) count(file, measure);
  }
}

/** Whether a path that a process has mapped is on an own mount. */
function isOnOwnMount(pid: number, path: string, measure: Measure): boolean {
  const mount = mountOf(path, mountsSeen(pid, measure));
  return mount !== undefined && measure.own.has(mount.id);
}

/** The same for all processes by find(1) and stat(1); each mapping that is found is a look. */
async function measureAside(pids: readonly number[], measure: Measure): Promise<void> {
  const folders = pids.map((pid) => `/proc/${pid}/map_files`);
  const tests = ["-maxdepth", "1", "-lname", `/*${UNLINKED}`];
  const found = await aside("find", [...folders, ...tests, "-printf", "%p %l\n"], measure);
  measure.looks -= found.length;
  if (measure.looks < 0) return;
  const own = await mapInSlices(found, (line) => {
    const [, file, pid, path] = MAPPED.exec(line) ?? [];
    return path !== undefined && isOnOwnMount(Number(pid), path, measure) ? [file!] : [];
  });
  const files = own.flat();
  for (let at = 0; at < files.length; at += STATS_MAX) {
    const some = files.slice(at, at + STATS_MAX);
    const lines = await aside("stat", ["-L", "-c", "%d %i %h %b %F", ...some], measure);
    if (lines.length === 0) return;
    for (const line of lines) {
      const [, ...numbers] = REGULAR.exec(line) ?? [];
      if (numbers.length === 0) continue;
      const [dev, ino, nlink, blocks] = numbers.map(BigInt) as [bigint, bigint, bigint, bigint];
      add({ dev, ino, nlink, blocks }, measure);
    }
  }
}

/**
 * Lines that a program writes about files of which some may be gone; none if it takes too long.
 * More than ASIDE_BYTES_MAX of them leave no looks.
 */
async function aside(name: string, args: readonly string[], measure: Measure): Promise<string[]> {
  const options = { timeout_ms: ASIDE_MS_MAX, output_bytes: ASIDE_BYTES_MAX, codes: [0, 1] };
  try {
    const text = await runProgram(name, args, "", options);
    return text.split("\n").filter((line) => line !== "");
  } catch (thrown) {
    if (isErrno(thrown, "SIGKILL")) measure.looks = -1;
    else if (!isErrno(thrown, "ABORT_ERR")) throw thrown;
    return [];
  }
}

/** Returns the path of an open or mapped file that has lost it, or seems to: a name may say so. */
function unlinkedPath(file: string): string | undefined {
  const target = tolerateSync(() => readlinkSync(file), gone);
  return target?.startsWith("/") && target.endsWith(UNLINKED) ? target : undefined;
}

/** Names in a directory, read piece by piece: a process may have a million descriptors. */
function* namesIn(directory: string): Generator<string> {
  const opened = tolerateSync(() => opendirSync(directory), gone);
  if (!opened) return;
  try {
    for (;;) {
      const entry = tolerateSync(() => opened.readSync(), gone);
      if (!entry) return;
      yield entry.name;
    }
  } finally {
    opened.closeSync();
  }
}

/** Lines of a file, read piece by piece: a process may have tens of thousands of mappings. */
function* linesOf(file: string): Generator<string> {
  const fd = tolerateSync(() => openSync(file, "r"), gone);
  if (fd === undefined) return;
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    let text = "";
    for (;;) {
      const length = tolerateSync(() => readSync(fd, piece), gone);
      if (!length) return;
      const lines = (text + piece.toString("latin1", 0, length)).split("\n");
      text = lines.pop() ?? "";
      yield* lines;
    }
  } finally {
    closeSync(fd);
  }
}

function count(file: string, measure: Measure): void {
  const stats = tolerateSync(() => statSync(file, { bigint: true }), gone);
  if (stats?.isFile()) add(stats, measure);
}

/** Adds a file that no name leads to, if it was not counted. */
function add(
  { dev, ino, nlink, blocks }: Pick<BigIntStats, "dev" | "ino" | "nlink" | "blocks">,
  { found, usage, devices }: Measure,
): void {
  const { major, minor } = splitDeviceNumber(Number(dev));
  if (nlink > 0n || !devices.has(`${major}:${minor}`) || found.has(ino)) return;
  if (found.size < FILES) found.add(ino);
  usage.used_bytes += Number(blocks * BLOCK_BYTES);
  usage.inodes++;
}
