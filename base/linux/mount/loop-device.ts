import { closeSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { splitDeviceNumber } from "../file/special-file.ts";
import { check, libc, SystemCallError } from "../syscall/libc.ts";
import { type MountInfo, mountOf, readMountInfo } from "./mountinfo.ts";

/** Requests of ioctl(2), and LO_FLAGS_AUTOCLEAR (include/uapi/linux/{loop,fs}.h). */
const LOOP_CTL_ADD = 0x4c80;
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_CLR_FD = 0x4c01;
const LOOP_GET_STATUS64 = 0x4c05;
const BLKFLSBUF = 0x1261;
const READ_ONLY = 1;
const AUTOCLEAR = 4;
/** struct loop_config: a descriptor, a block size, struct loop_info64 (232 bytes), reserved. */
const CONFIG_BYTES = 304;
const CONFIG_FLAGS_AT = 8 + 52;
/** struct loop_info64 starts with the device and the inode of the file. */
const INFO_BYTES = 232;
const ENODEV = 19;
/** Another process can take the device that was found free: EBUSY; the next one is asked for. */
const ATTEMPTS = 64;
const SYSFS = "/sys/block";

/** A block device over a file, open. It lasts while anything has it open or mounted. */
export interface LoopDevice extends Disposable {
  /** `/dev/loop3`. */
  readonly path: string;
  /** Makes the device as long as its file has become. */
  updateSize(): void;
  /** Forgets what was read by this device, which others may have changed in its file. */
  dropCache(): void;
  /** Detaches it at its last close, which is not before this one's. Passes over a free one. */
  detach(): void;
}

/**
 * Opens the loop device of a regular file, which is attached when there is none: two devices of one
 * file would be two file systems that overwrite each other. `file` is absolute and without links.
 * The kernel detaches the device at its last close or unmount (LO_FLAGS_AUTOCLEAR), so that a
 * process that is killed leaves none. One caller at a time for one file. Needs Linux 5.8.
 */
export function openLoopDevice(file: string): LoopDevice {
  for (const name of loopDevicesOf(file)) {
    const device = openDeviceOf(name, file, "r+");
    if (device) return device;
  }
  return attach(file, { flags: AUTOCLEAR });
}

/**
 * Attaches a loop device to a regular file until `detachLoopDevice`, also beyond the end of this
 * process; one that is attached with the same access is kept. It is returned open for reading.
 * LOOP_CLR_FD needs no capability: a process that has the node detaches the device, unless another
 * has it open.
 */
export function attachLoopDevice(file: string, { readOnly }: { readOnly: boolean }): LoopDevice {
  for (const name of loopDevicesOf(file)) {
    const device = isReadOnlyDevice(name) === readOnly ? openDeviceOf(name, file) : undefined;
    if (device) return device;
  }
  using device = attach(file, { flags: readOnly ? READ_ONLY : 0 });
  // A descriptor that writes would keep a file system on the device from being mounted where the
  // kernel is built without BLK_DEV_WRITE_MOUNTED.
  return open(path.basename(device.path), "r");
}

/** Opens a loop device for reading; undefined when it is not attached to `file`. */
export function openLoopDeviceOf(name: string, file: string): LoopDevice | undefined {
  return openDeviceOf(name, file);
}

/** Detaches a loop device, at its last close if something has it open. Passes over a free one. */
export function detachLoopDevice(name: string): void {
  using device = openAttached(name, "r");
  device?.detach();
}

/** Detaches the loop devices of all files beneath a directory, which has no links in it. */
export function detachLoopDevicesBelow(directory: string): void {
  for (const name of loopDevices()) {
    if (backingFile(name)?.startsWith(`${directory}/`)) detachLoopDevice(name);
  }
}

/** Whether the kernel refuses writes to a block device (`loop3`). */
export function isReadOnlyDevice(name: string): boolean {
  return readFileSync(path.join(SYSFS, name, "ro"), "utf8").trim() === "1";
}

/** Makes an attached loop device (`loop3`) as long as its file has become. */
export function updateLoopDeviceSize(name: string): void {
  using device = openAttached(name, "r");
  device?.updateSize();
}

/** Opens a device; undefined for one that is being detached. */
function openAttached(name: string, flags = "r+"): OpenDevice | undefined {
  return tolerateSync(() => open(name, flags), errno("ENXIO", "ENODEV"));
}

/**
 * Opens the device of a file. An open device is not detached; before, it could be, and get another
 * file.
 */
function openDeviceOf(name: string, file: string, flags = "r"): OpenDevice | undefined {
  const device = openAttached(name, flags);
  if (device && isBackedBy(device, file)) return device;
  device?.[Symbol.dispose]();
  return undefined;
}

/**
 * Whether this is the device's file, by its inode: a pod that has a device's node may give it a
 * file of its own (LOOP_CONFIGURE, LOOP_CHANGE_FD), whose path in the pod can be any.
 */
function isBackedBy({ fd, path: device }: OpenDevice, file: string): boolean {
  const info = Buffer.alloc(INFO_BYTES);
  try {
    const got = libc.ioctl(fd, LOOP_GET_STATUS64, info);
    check("ioctl", got, `LOOP_GET_STATUS64 of ${device}`);
  } catch (thrown) {
    if (isErrno(thrown, "ENXIO")) return false;
    throw thrown;
  }
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return info.readBigUInt64LE(0) === found?.dev && info.readBigUInt64LE(8) === found.ino;
}

/** The file of the loop device with this number of stat(2); undefined for any other device. */
export function fileOfLoopDevice(device: number): string | undefined {
  const { major, minor } = splitDeviceNumber(device);
  return backingFileIn(`/sys/dev/block/${major}:${minor}`);
}

/** The loop devices that have a file. */
export function attachedLoopDevices(): { name: string; file: string }[] {
  return loopDevices().flatMap((name) => {
    const file = backingFile(name);
    return file === undefined ? [] : [{ name, file }];
  });
}

/**
 * The loop devices whose nodes are mounted on files, by mount. No path of a mount is visited: its
 * server may not answer.
 */
export function loopNodes(mounts: MountInfo[] = readMountInfo()): Map<MountInfo, string> {
  const nodes = new Map<MountInfo, string>();
  const dev = mountOf("/dev", mounts);
  if (!dev) return nodes;
  const root = path.join(dev.root, path.relative(dev.mountPoint, "/dev"));
  for (const mount of mounts) {
    // A node that was removed since shows its device all the same.
    const node = mount.root.replace(/\/\/deleted$/, "");
    if (mount.device !== dev.device || path.dirname(node) !== root) continue;
    if (isLoopDevice(path.basename(node))) nodes.set(mount, path.basename(node));
  }
  return nodes;
}

/** The loop devices of a file, as `loop3`. */
export function loopDevicesOf(file: string): string[] {
  return loopDevices().filter((name) => backingFile(name) === file);
}

const loopDevices = (): string[] => readdirSync(SYSFS).filter(isLoopDevice);

const isLoopDevice = (name: string): boolean => /^loop\d+$/.test(name);

/** The number of a block device, as mountinfo has it: `7:3`. */
export function deviceNumber(name: string): string {
  return readFileSync(path.join(SYSFS, name, "dev"), "utf8").trim();
}

/** `flags` are those of LOOP_CONFIGURE. */
function attach(file: string, { flags }: { flags: number }): OpenDevice {
  const access = (flags & READ_ONLY) === 0 ? "r+" : "r";
  const control = openSync("/dev/loop-control", "r+");
  const backing = openSync(file, access);
  try {
    return configure(control, { backing, flags, access, file });
  } finally {
    closeSync(backing);
    closeSync(control);
  }
}

function configure(
  control: number,
  {
    backing,
    flags,
    access,
    file,
  }: { backing: number; flags: number; access: string; file: string },
): OpenDevice {
  const config = Buffer.alloc(CONFIG_BYTES);
  config.writeUInt32LE(backing, 0);
  config.writeUInt32LE(flags, CONFIG_FLAGS_AT);
  const taken = new Set<string>();
  while (taken.size < ATTEMPTS) {
    const name = findFree(control, taken);
    taken.add(name);
    const device = openAttached(name, access);
    if (!device) continue;
    try {
      check("ioctl", libc.ioctl(device.fd, LOOP_CONFIGURE, config), `LOOP_CONFIGURE of ${file}`);
      return device;
    } catch (thrown) {
      device[Symbol.dispose]();
      if (!isErrno(thrown, "EBUSY")) throw thrown;
    }
  }
  throw new SystemCallError("ioctl", ENODEV, `LOOP_CTL_GET_FREE: no loop device for ${file}`);
}

/**
 * Finds a free loop device, or adds one, whose node is not mounted anywhere: a pod that has kept
 * the node of a device would read and write the next file that is attached to it. Sees the mounts
 * of this process's namespace alone.
 */
function findFree(control: number, taken: ReadonlySet<string>): string {
  const free = libc.ioctl(control, LOOP_CTL_GET_FREE, null);
  const first = `loop${check("ioctl", free, "LOOP_CTL_GET_FREE")}`;
  const shown = new Set(loopNodes().values());
  const isUsable = (name: string) => !taken.has(name) && !shown.has(name);
  if (isUsable(first)) return first;
  // The kernel names the lowest alone.
  const other = loopDevices().find((name) => isUsable(name) && backingFile(name) === undefined);
  if (other !== undefined) return other;
  return `loop${check("ioctl", libc.ioctlNumber(control, LOOP_CTL_ADD, -1), "LOOP_CTL_ADD")}`;
}

type OpenDevice = LoopDevice & { fd: number };

function open(name: string, flags = "r+"): OpenDevice {
  const device = path.join("/dev", name);
  const fd = openSync(device, flags);
  return {
    fd,
    path: device,
    updateSize() {
      check("ioctl", libc.ioctl(fd, LOOP_SET_CAPACITY, null), `LOOP_SET_CAPACITY of ${device}`);
    },
    dropCache() {
      check("ioctl", libc.ioctl(fd, BLKFLSBUF, null), `BLKFLSBUF of ${device}`);
    },
    detach() {
      tolerateSync(
        () => check("ioctl", libc.ioctl(fd, LOOP_CLR_FD, null), `LOOP_CLR_FD of ${device}`),
        errno("ENXIO"),
      );
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

const backingFile = (name: string): string | undefined => backingFileIn(path.join(SYSFS, name));

/** The file of a device; undefined for a device without one. */
function backingFileIn(directory: string): string | undefined {
  return tolerateSync(
    () => readFileSync(path.join(directory, "loop/backing_file"), "utf8").replace(/\n$/, ""),
    errno("ENOENT", "ENXIO", "ENODEV"),
  );
}
