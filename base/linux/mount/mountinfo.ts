import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";

/** One line of /proc/PID/mountinfo (proc(5)). */
export interface MountInfo {
  id: number;
  /** `major:minor` of the file system. */
  device: string;
  /** The directory of the file system that is mounted. */
  root: string;
  mountPoint: string;
  options: string[];
  /** `shared:N`, `master:N`, `unbindable`: none of them means private. */
  propagation: string[];
  type: string;
  source: string;
  superOptions: string[];
}

/** Undoes the octal escapes (`\040` for a space) of mountinfo. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** Reads one line; undefined when it is not one of mountinfo. */
export function parseMountInfoLine(line: string): MountInfo | undefined {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  if (separator < 0 || fields.length < separator + 4) return undefined;
  return {
    id: Number(fields[0]),
    device: fields[2]!,
    root: unescapePath(fields[3]!),
    mountPoint: unescapePath(fields[4]!),
    options: fields[5]!.split(","),
    propagation: fields.slice(6, separator),
    type: fields[separator + 1]!,
    source: unescapePath(fields[separator + 2]!),
    superOptions: fields[separator + 3]!.split(","),
  };
}

/** The mounts of this process, or of another (`pid`), in the kernel's order. */
export function readMountInfo(pid: number | "self" = "self"): MountInfo[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n");
  return lines.flatMap((line) => parseMountInfoLine(line) ?? []);
}

/**
 * The mounts whose lines name a path, those at and below it among them, in the kernel's order. The
 * others, of which pods have up to 100,000, are not parsed.
 */
export function mountsNaming(
  path: string,
  text = readFileSync("/proc/self/mountinfo", "utf8"),
  parse = parseMountInfoLine,
): MountInfo[] {
  // The kernel writes some characters as escapes: all lines are parsed for those.
  const wanted = /[\s\\#]/.test(path) ? "" : path;
  const found: MountInfo[] = [];
  for (let at = text.indexOf(wanted); at >= 0; ) {
    const next = text.indexOf("\n", at);
    const end = next < 0 ? text.length : next;
    const mount = parse(text.slice(text.lastIndexOf("\n", at) + 1, end));
    if (mount) found.push(mount);
    at = next < 0 ? -1 : text.indexOf(wanted, end + 1);
  }
  return found;
}

/**
 * The same, for what is asked again and again: the kernel writes the list in a thread of Node's
 * pool, 3 us for each mount.
 */
export async function mountsNamingAside(path: string): Promise<MountInfo[]> {
  return mountsNaming(path, await readFile("/proc/self/mountinfo", "utf8"));
}

/** The topmost mount that `path` lies on. `path` is absolute and has no links in it. */
export function mountOf(
  path: string,
  mounts: MountInfo[] = readMountInfo(),
): MountInfo | undefined {
  let best: MountInfo | undefined;
  for (const mount of mounts) {
    const { mountPoint } = mount;
    const inside = mountPoint === "/" || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (inside && mountPoint.length >= (best?.mountPoint.length ?? 0)) best = mount;
  }
  return best;
}

/**
 * Mount points at or below a directory, the deepest and latest first: the order to unmount them.
 */
export function mountPointsBelow(
  directory: string,
  mounts: MountInfo[] = mountsNaming(directory),
): string[] {
  return mounts
    .map((mount) => mount.mountPoint)
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse();
}

/** Looks up many paths in one list of mounts, which is as long as pods make it. */
export class MountTable {
  /** The topmost mount of each mount point. */
  readonly #topmost: ReadonlyMap<string, MountInfo>;
  readonly #points: readonly string[];

  constructor(mounts: readonly MountInfo[] = readMountInfo()) {
    this.#topmost = new Map(mounts.map((mount) => [mount.mountPoint, mount]));
    this.#points = [...this.#topmost.keys()].sort();
  }

  /** Returns the mount that a path lies on, as `mountOf`. */
  of(path: string): MountInfo | undefined {
    for (let at = path; ; at = dirname(at)) {
      const found = this.#topmost.get(at);
      if (found || at === dirname(at)) return found;
    }
  }

  /** Returns a mount point below a directory; undefined if there is none. */
  below(directory: string): string | undefined {
    const prefix = `${directory}/`;
    let [from, to] = [0, this.#points.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#points[middle]! < prefix) from = middle + 1;
      else to = middle;
    }
    const found = this.#points[from];
    return found?.startsWith(prefix) ? found : undefined;
  }
}
