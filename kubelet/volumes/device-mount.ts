import { execFile } from "node:child_process";
import { mkdir, rmdir } from "node:fs/promises";
import { unmountAside } from "@raft2kube/linux/mount/mount.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { errno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { DEVICE_PROGRAM_TIMEOUT_MS, PROGRAM_OUTPUT_BYTES_MAX } from "../limits.ts";
import { programPath } from "./bounded-program.ts";
import { VolumeError } from "./volume-error.ts";

export interface DeviceMount {
  device: string;
  /** An absolute path; its directory is made. */
  target: string;
  /** The type of its file system: ext4, xfs, ... */
  fsType: string;
  readOnly: boolean;
  /** Options as `mount -o` takes them. */
  options: readonly string[];
}

/** Arguments of mkfs: it does not ask, and reserves nothing for root. */
const MKFS_ARGS: Readonly<Record<string, readonly string[]>> = {
  ext3: ["-F", "-m0"],
  ext4: ["-F", "-m0"],
  xfs: ["-f"],
};
/** blkid(8): the device has nothing that is known. */
const BLKID_NOTHING = 2;
/** fsck(8): errors were left. All other failures are for mount(8) to judge, as upstream. */
const FSCK_ERRORS_LEFT = 4;

/**
 * Mounts the file system of a block device at `target`, and makes it first on a device with nothing
 * on it (upstream: SafeFormatAndMount). A device with anything else is not formatted. A mount that
 * is there stays. Throws MountFailed.
 */
export async function mountDevice(wanted: DeviceMount): Promise<void> {
  const { device, target, fsType, readOnly, options } = wanted;
  if (isMountPoint(target)) return;
  if (!/^[a-z0-9]+$/.test(fsType)) throw failed(wanted, `${fsType} is no type of file system`);
  if (await isEmpty(wanted)) {
    if (readOnly) throw failed(wanted, "it has no file system, and is mounted read-only");
    await succeed(wanted, `mkfs.${fsType}`, [...(MKFS_ARGS[fsType] ?? []), device]);
  } else if (!readOnly) {
    const { status, printed } = await run("fsck", ["-a", device]);
    if ((status & FSCK_ERRORS_LEFT) !== 0) throw failed(wanted, `fsck: ${printed}`);
  }
  await mkdir(target, { recursive: true, mode: 0o750 });
  const flags = [...options, readOnly ? "ro" : "defaults"].join(",");
  await succeed(wanted, "mount", ["-t", fsType, "-o", flags, device, target]);
}

/** Takes what `mountDevice` mounted away. A mount that is in use is EBUSY. */
export async function unmountDevice(target: string): Promise<void> {
  if (isMountPoint(target)) await unmountAside(target);
  await tolerate(rmdir(target), errno("ENOENT"));
}

/** Whether a device has neither a file system nor partitions. */
async function isEmpty(wanted: DeviceMount): Promise<boolean> {
  const tokens = ["-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export"];
  const { status, printed } = await run("blkid", [...tokens, wanted.device]);
  if (status !== 0 && status !== BLKID_NOTHING) throw failed(wanted, `blkid: ${printed}`);
  return status === BLKID_NOTHING;
}

async function succeed(wanted: DeviceMount, name: string, args: readonly string[]): Promise<void> {
  const { status, printed } = await run(name, args);
  if (status !== 0) throw failed(wanted, `${name}: ${printed}`);
}

function failed({ device }: DeviceMount, why: string): VolumeError {
  return new VolumeError("MountFailed", `device ${device}: ${why}`);
}

/** Resolves with a program's exit status and what it printed. */
async function run(name: string, args: readonly string[]) {
  const program = await programPath(name, `install the package of ${name}`);
  const timeout = DEVICE_PROGRAM_TIMEOUT_MS;
  const options = { timeout, killSignal: "SIGKILL", maxBuffer: PROGRAM_OUTPUT_BYTES_MAX } as const;
  return new Promise<{ status: number; printed: string }>((resolve, reject) => {
    execFile(program, args, options, (thrown, stdout, stderr) => {
      const status = thrown ? thrown.code : 0;
      if (typeof status === "number") resolve({ status, printed: `${stdout}${stderr}`.trim() });
      else reject(new VolumeError("MountFailed", `${name}: ${messageOf(thrown)}`));
    });
  });
}
