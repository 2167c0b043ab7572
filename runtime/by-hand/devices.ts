import path from "node:path";
import type { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { deviceNumber, FileType } from "@raft2kube/linux/file/special-file.ts";
import { attachMountAt } from "@raft2kube/linux/mount/mount-tree.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";
import type { OciDevice } from "../oci/spec.ts";
import { makeDirectory, makeFile } from "./inside.ts";

/** Devices that every container has (runtime-spec, config-linux.md, "Default Devices"). */
export const DEFAULT_DEVICES: readonly OciDevice[] = (
  [
    ["null", 1, 3],
    ["zero", 1, 5],
    ["full", 1, 7],
    ["random", 1, 8],
    ["urandom", 1, 9],
    ["tty", 5, 0],
  ] as const
).map(([name, major, minor]) => ({
  path: `/dev/${name}`,
  type: "c",
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
}));

const LINKS = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/ptmx", "pts/ptmx"],
] as const;

/**
 * Makes device nodes in the container's root: the default ones, and its own. `clones` are mounts of
 * the machine's nodes, which are shown in the place of new ones.
 */
export function makeDevices(
  devices: readonly OciDevice[],
  clones: ReadonlyMap<string, number>,
): void {
  const own = new Set(devices.map((device) => device.path));
  for (const device of [...DEFAULT_DEVICES.filter((each) => !own.has(each.path)), ...devices]) {
    const { path: at, type, major, minor, fileMode, uid, gid } = device;
    using folder = makeDirectory(path.dirname(at));
    const name = path.basename(at);
    if (isTaken(folder, name)) continue;
    const clone = clones.get(at);
    if (clone !== undefined) {
      using place = makeFile(folder, name);
      attachMountAt(clone, place.fd);
      continue;
    }
    const kind = type === "b" ? FileType.block : FileType.character;
    step(() => `mknod -m ${fileMode.toString(8)} ${at} ${type} ${major} ${minor}`);
    folder.makeNode(name, kind | fileMode, deviceNumber(major, minor));
    using node = folder.handle(name);
    node.chown(uid, gid);
  }
  for (const [at, to] of LINKS) {
    using folder = makeDirectory(path.dirname(at));
    const name = path.basename(at);
    if (isTaken(folder, name)) continue;
    step(() => ["ln", "-s", to, at]);
    folder.makeSymlink(name, to);
  }
}

function isTaken(folder: Directory, name: string): boolean {
  using found = folder.find(name);
  return found !== undefined;
}
