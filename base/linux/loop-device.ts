import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { check, libc, SystemCallError } from "./libc.ts";
import { splitDeviceNumber } from "./special-file.ts";

/** Requests of ioctl(2), and LO_FLAGS_AUTOCLEAR (include/uapi/linux/loop.h). */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_SET_CAPACITY = 0x4c07;
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
  const control = openSync("/dev/loop-control", "r+");
  const backing = openSync(file, "r+");
  try {
    return attach(control, backing, file);
  } finally {
    closeSync(backing);
    closeSync(control);
  }
}

/** Undefined for a device that is being detached. */
function openAttached(name: string): LoopDevice | undefined {
  try {
    return open(name);
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
  return readdirSync(SYSFS).filter((name) => /^loop\d+$/.test(name) && backingFile(name) === file);
}

/** The number of a block device, as mountinfo has it: `7:3`. */
export function deviceNumber(name: string): string {
  return readFileSync(path.join(SYSFS, name, "dev"), "utf8").trim();
}

function attach(control: number, backing: number, file: string): LoopDevice {
  const config = Buffer.alloc(CONFIG_BYTES);
  config.writeUInt32LE(backing, 0);
  config.writeUInt32LE(AUTOCLEAR, CONFIG_FLAGS_AT);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const free = libc.ioctl(control, LOOP_CTL_GET_FREE, null);
    const number = check("ioctl", free, "LOOP_CTL_GET_FREE");
    const device = open(`loop${number}`);
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

function open(name: string): LoopDevice & { fd: number } {
  const device = path.join("/dev", name);
  const fd = openSync(device, "r+");
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
