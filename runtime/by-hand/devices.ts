import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { check, libc } from "@raft2kube/linux/libc.ts";
import { attachMount } from "@raft2kube/linux/process-calls.ts";
import { FileType, deviceNumber } from "@raft2kube/linux/special-file.ts";
import type { OciDevice } from "../oci/spec.ts";

/** Devices that every container has (runtime-spec, config-linux.md, "Default Devices"). */
export const DEFAULT_DEVICES: readonly OciDevice[] = (
  [
    ["null", 1, 3], ["zero", 1, 5], ["full", 1, 7], ["random", 1, 8], ["urandom", 1, 9],
    ["tty", 5, 0],
  ] as const
).map(([name, major, minor]) => ({
  path: `/dev/${name}`, type: "c", major, minor, fileMode: 0o666, uid: 0, gid: 0,
}));

const LINKS = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/ptmx", "pts/ptmx"],
] as const;

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

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
    if (lstatSync(at, { throwIfNoEntry: false })) continue;
    mkdirSync(path.dirname(at), { recursive: true });
    const clone = clones.get(at);
    if (clone !== undefined) {
      writeFileSync(at, "");
      attachMount(clone, at);
      continue;
    }
    const kind = type === "b" ? FileType.block : FileType.character;
    const bytes = Buffer.from(`${at}\0`);
    const made = libc.mknodat(AT_FDCWD, bytes, kind | fileMode, deviceNumber(major, minor));
    check("mknodat", made, at);
    check("fchownat", libc.fchownat(AT_FDCWD, bytes, uid, gid, AT_SYMLINK_NOFOLLOW), at);
  }
  for (const [at, to] of LINKS) {
    if (!lstatSync(at, { throwIfNoEntry: false })) symlinkSync(to, at);
  }
}
