import { closeSync, opendirSync, openSync, readlinkSync, readSync, statSync } from "node:fs";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import type { TreeUsage } from "../beneath/tree-usage.ts";
import { splitDeviceNumber } from "../file/special-file.ts";

/** The kernel's mark of a file that no name leads to (proc_pid_fd(5), proc_pid_maps(5)). */
const UNLINKED = " (deleted)";
/** Files that are remembered; further ones count once for every descriptor and mapping. */
const FILES = 65_536;
const PIECE_BYTES = 4_096;
/** The unit of `blocks` in stat(2). */
const BLOCK_BYTES = 512n;
/** A line of /proc/PID/maps: its range, and the device of its file in hexadecimal digits. */
const MAPPING = /^([0-9a-f]+-[0-9a-f]+) \S+ \S+ ([0-9a-f]+):([0-9a-f]+) /;

/** A process that has ended, or one of a user namespace that this process has no rights in. */
const gone = errno("ENOENT", "ESRCH", "EACCES", "EPERM");

/**
 * Measures the files on `devices` (`major:minor`) that no name leads to, and that these processes
 * have open or mapped: such a file takes its space until the last of them ends, and a walk of the
 * directories does not find it. A descriptor in the queue of a socket (SCM_RIGHTS) is not found.
 * An unlinked file is looked at where it is: no process may have one of a server that does not
 * answer, as it would stop the caller. Others run in between.
 */
export async function unlinkedUsage(
  pids: readonly number[],
  devices: ReadonlySet<string>,
): Promise<TreeUsage> {
  const found = new Set<bigint>();
  const usage: TreeUsage = { used_bytes: 0, inodes: 0 };
  for (const pid of pids) {
    await inSlices(measuring(pid, devices, { found, usage }));
  }
  return usage;
}

interface Measure {
  usage: TreeUsage;
  /** Inode numbers of the files that were counted: overlayfs gives those of the disk. */
  found: Set<bigint>;
}

function* measuring(
  pid: number,
  devices: ReadonlySet<string>,
  measure: Measure,
): Generator<void, void> {
  for (const name of namesIn(`/proc/${pid}/fd`)) {
    yield;
    const file = `/proc/${pid}/fd/${name}`;
    const target = tolerateSync(() => readlinkSync(file), gone);
    if (target?.startsWith("/") && target.endsWith(UNLINKED)) count(file, devices, measure);
  }
  for (const line of linesOf(`/proc/${pid}/maps`)) {
    yield;
    if (!line.endsWith(UNLINKED)) continue;
    const [, range, major = "", minor = ""] = MAPPING.exec(line) ?? [];
    const device = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`;
    if (devices.has(device)) count(`/proc/${pid}/map_files/${range}`, devices, measure);
  }
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

function count(file: string, devices: ReadonlySet<string>, { found, usage }: Measure): void {
  const stats = tolerateSync(() => statSync(file, { bigint: true }), gone);
  if (!stats?.isFile() || stats.nlink > 0n) return;
  const { major, minor } = splitDeviceNumber(Number(stats.dev));
  if (!devices.has(`${major}:${minor}`) || found.has(stats.ino)) return;
  if (found.size < FILES) found.add(stats.ino);
  usage.used_bytes += Number(stats.blocks * BLOCK_BYTES);
  usage.inodes++;
}
