import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { check, libc, SystemCallError } from "./libc.ts";
import { splitDeviceNumber } from "./special-file.ts";

/** Requests of ioctl(2), and LO_FLAGS_AUTOCLEAR (include/uapi/linux/loop.h). */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_CLR_FD = 0x4c01;
const READ_ONLY = 1;
const AUTOCLEAR = 4;
/** struct loop_config: a descriptor, a block size, struct loop_info64 (232 bytes), reserved. */
const CONFIG_BYTES = 304;
const CONFIG_FLAGS_AT = 8 + 52;
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
}

/**
 * Opens the loop device of a regular file, which is attached when there is none: two devices of one
 * file would be two file systems that overwrite each other. `file` is absolute and without links.
 * The kernel detaches the device at its last close or unmount (LO_FLAGS_AUTOCLEAR), so that a
 * process that is killed leaves none. One caller at a time for one file. Needs Linux 5.8.
 */
export function openLoopDevice(file: string): LoopDevice {
  for (const name of loopDevicesOf(file)) {
    const device = openAttached(name);
    if (device === undefined) continue;
    // Open, it is not detached any more; until then it could be, and be another file's.
    if (backingFile(name) === file) return device;
    device[Symbol.dispose]();
  }
  return attach(file, { flags: AUTOCLEAR });
}

/**
 * Attaches a loop device to a regular file until `detachLoopDevice`, also beyond the end of this
 * process, and returns its name (`loop3`); one that is attached with the same access is kept.
 */
export function attachLoopDevice(file: string, { readOnly }: { readOnly: boolean }): string {
  const attached = loopDevicesOf(file).find((name) => isReadOnlyDevice(name) === readOnly);
  if (attached !== undefined) return attached;
  using device = attach(file, { flags: readOnly ? READ_ONLY : 0 });
  return path.basename(device.path);
}

/** Detaches a loop device, at its last close if something has it open. Passes over a free one. */
export function detachLoopDevice(name: string): void {
  using device = openAttached(name, "r");
  if (!device) return;
  try {
    check("ioctl", libc.ioctl(device.fd, LOOP_CLR_FD, null), `LOOP_CLR_FD of ${device.path}`);
  } catch (thrown) {
    if (!isErrno(thrown, "ENXIO")) throw thrown;
  }
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

/** Undefined for a device that is being detached. */
function openAttached(name: string, flags = "r+"): OpenDevice | undefined {
  try {
    return open(name, flags);
  } catch (thrown) {
    if (isErrno(thrown, "ENXIO", "ENODEV")) return undefined;
    throw thrown;
  }
}

/** The file of the loop device with this number of stat(2); undefined for any other device. */
export function fileOfLoopDevice(device: number): string | undefined {
  const { major, minor } = splitDeviceNumber(device);
  return backingFileIn(`/sys/dev/block/${major}:${minor}`);
}

/** The loop devices of a file, as `loop3`. */
export function loopDevicesOf(file: string): string[] {
  return loopDevices().filter((name) => backingFile(name) === file);
}

function loopDevices(): string[] {
  return readdirSync(SYSFS).filter((name) => /^loop\d+$/.test(name));
}

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
  { backing, flags, access, file }: {
    backing: number;
    flags: number;
    access: string;
    file: string;
  },
): OpenDevice {
  const config = Buffer.alloc(CONFIG_BYTES);
  config.writeUInt32LE(backing, 0);
  config.writeUInt32LE(flags, CONFIG_FLAGS_AT);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const free = libc.ioctl(control, LOOP_CTL_GET_FREE, null);
    const number = check("ioctl", free, "LOOP_CTL_GET_FREE");
    const device = open(`loop${number}`, access);
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
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function backingFile(name: string): string | undefined {
  return backingFileIn(path.join(SYSFS, name));
}

/** Undefined for a device without a file. */
function backingFileIn(directory: string): string | undefined {
  try {
    return readFileSync(path.join(directory, "loop/backing_file"), "utf8").replace(/\n$/, "");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ENXIO", "ENODEV")) return undefined;
    throw thrown;
  }
}
