import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { splitDeviceNumber } from "@raft2kube/linux/file/special-file.ts";
import type { Device } from "@raft2kube/proto/gen/cri.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import type { OciBlockIo, OciDevice, OciDeviceRule } from "./spec.ts";

/** A device that a container is to have; what `node` has is not the host's. */
export type WantedDevice = Device & { readonly node?: DeviceNode };

export type DeviceNode = Pick<OciDevice, "fileMode" | "uid" | "gid"> & Partial<OciDevice>;

const deny: OciDeviceRule = { allow: false, access: "rwm" };
const allow = (major: number, minor: number | undefined): OciDeviceRule => ({
  allow: true,
  type: "c",
  major,
  ...(minor !== undefined && { minor }),
  access: "rwm",
});

/** Rules of a process that needs no device: without rules, it may use every one of the machine. */
export const NO_DEVICES: readonly OciDeviceRule[] = [deny];

/**
 * Nodes may be made, and the harmless devices used: null, zero, full, random, urandom, terminals.
 */
const DEFAULT_RULES: OciDeviceRule[] = [
  deny,
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...[3, 5, 7, 8, 9].map((minor) => allow(1, minor)),
  allow(5, 0),
  allow(5, 2),
  allow(136, undefined),
];

/** A device node of the host, or undefined when the file is none. */
function deviceAt(hostPath: string, containerPath: string): OciDevice | undefined {
  const stats = statSync(hostPath);
  const type = stats.isCharacterDevice() ? "c" : stats.isBlockDevice() ? "b" : undefined;
  if (type === undefined) return undefined;
  const { uid, gid, mode } = stats;
  const number = splitDeviceNumber(stats.rdev);
  return { path: containerPath, type, ...number, fileMode: mode & 0o777, uid, gid };
}

/** The devices at a path: itself, or all in a folder (`/dev/snd`). */
function devicesAt(hostPath: string, containerPath: string): OciDevice[] {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(hostPath).isDirectory();
  } catch (cause) {
    if (!isErrno(cause, "ENOENT")) throw cause;
    throw new RuntimeError("invalid-argument", `device ${hostPath} does not exist`, { cause });
  }
  if (isDirectory) {
    return readdirSync(hostPath).flatMap((name) =>
      devicesAt(path.join(hostPath, name), path.join(containerPath, name)),
    );
  }
  const device = deviceAt(hostPath, containerPath);
  if (device) return [device];
  throw new RuntimeError("invalid-argument", `${hostPath} is no device`);
}

/** The devices that one wish makes; without a file of the host where its number is named. */
function devicesOf({ hostPath, containerPath, node }: WantedDevice): OciDevice[] {
  if (node?.type !== undefined && node.major !== undefined) {
    const { type, major, minor = 0 } = node;
    return [{ ...node, path: containerPath, type, major, minor }];
  }
  return devicesAt(hostPath, containerPath).map((device) => ({ ...device, ...node }));
}

/**
 * Every device of the host's /dev, for privileged containers; terminals stay the container's own.
 */
function allDevices(): OciDevice[] {
  const own = new Set(["pts", "shm", "mqueue", "fd", "console", "ptmx", "tty"]);
  const walk = (directory: string): OciDevice[] =>
    readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const file = path.join(directory, entry.name);
      if (directory === "/dev" && own.has(entry.name)) return [];
      if (entry.isDirectory()) return walk(file);
      return entry.isCharacterDevice() || entry.isBlockDevice() ? devicesAt(file, file) : [];
    });
  return walk("/dev");
}

/**
 * Device nodes of a container and the rules of its devices cgroup. Throws RuntimeError
 * `invalid-argument` for a place that is not an absolute path: an OCI runtime makes the node before
 * the root is the container's, and a path with `..` leads out of it. In a user namespace no
 * node can be made: the runtime mounts the host's file at the container's path, a folder too.
 */
export function devicesFor(
  wanted: readonly WantedDevice[],
  options: { privileged: boolean; hasOwnIds?: boolean },
): { devices: OciDevice[]; rules: OciDeviceRule[] } {
  for (const device of wanted) requirePlace(device, options.hasOwnIds ?? false);
  if (options.privileged) {
    return {
      devices: lastOfEachPlace([...allDevices(), ...wanted.flatMap(devicesOf)]),
      rules: [{ allow: true, access: "rwm" }],
    };
  }
  const devices: OciDevice[] = [];
  const rules = [...DEFAULT_RULES];
  for (const wish of wanted) {
    const access = wish.permissions || "rwm";
    if (!/^[rwm]+$/.test(access)) {
      throw new RuntimeError("invalid-argument", `device permissions ${JSON.stringify(access)}`);
    }
    for (const device of devicesOf(wish)) {
      const { type, major, minor } = device;
      devices.push(device);
      rules.push({ allow: true, type, major, minor, access });
    }
  }
  return { devices: lastOfEachPlace(devices), rules };
}

/** OCI runtimes keep the first node of a place, CDI's library the last one. */
function lastOfEachPlace(devices: readonly OciDevice[]): OciDevice[] {
  return [...new Map(devices.map((device) => [device.path, device])).values()];
}

/** Limits of block devices of containers made by hand, by the devices' places on the host. */
export interface BlockIo {
  /** The weight, from 10 to 1000, beside others that wait for a device. */
  readonly weight?: number;
  /** The same of one device. */
  readonly weights: readonly DeviceLimit[];
  /** Limits of bytes a second. */
  readonly readBps: readonly DeviceLimit[];
  readonly writeBps: readonly DeviceLimit[];
  /** Limits of operations a second. */
  readonly readIops: readonly DeviceLimit[];
  readonly writeIops: readonly DeviceLimit[];
}

export type DeviceLimit = { readonly path: string; readonly limit: number };

/** The limits by the devices' numbers. Throws invalid-argument for what is no block device. */
export function blockIoOf(limits: BlockIo): OciBlockIo {
  const numbered = <K extends string>(of: readonly DeviceLimit[], key: K) =>
    of.map(({ path: place, limit }) => {
      const [device] = devicesAt(place, place);
      if (device?.type !== "b") {
        throw new RuntimeError("invalid-argument", `${place} is no block device`);
      }
      const { major, minor } = device;
      return { major, minor, [key]: limit } as { major: number; minor: number } & Record<K, number>;
    });
  return {
    ...(limits.weight !== undefined && { weight: limits.weight }),
    weightDevice: numbered(limits.weights, "weight"),
    throttleReadBpsDevice: numbered(limits.readBps, "rate"),
    throttleWriteBpsDevice: numbered(limits.writeBps, "rate"),
    throttleReadIOPSDevice: numbered(limits.readIops, "rate"),
    throttleWriteIOPSDevice: numbered(limits.writeIops, "rate"),
  };
}

function requirePlace({ hostPath, containerPath }: Device, hasOwnIds: boolean): void {
  const isPlace = containerPath.startsWith("/") && !containerPath.split("/").includes("..");
  const what = `device at ${JSON.stringify(containerPath)}`;
  if (!isPlace) {
    throw new RuntimeError("invalid-argument", `${what}: an absolute path without ".." is needed`);
  }
  if (!hasOwnIds || containerPath === hostPath) return;
  throw new RuntimeError(
    "invalid-argument",
    `${what}: in a pod with a user namespace a device ` +
      `of the node has the node's path, ${hostPath}; use that, or hostUsers: true`,
  );
}
