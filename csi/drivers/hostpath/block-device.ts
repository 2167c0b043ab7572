import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import path from "node:path";
import { isReadOnlyDevice, loopDevicesOf } from "@raft2kube/linux/mount/loop-device.ts";
import { bindMount } from "@raft2kube/linux/mount/mount.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { alreadyExists, failedPrecondition } from "../../lib/errors.ts";
import { mountAt } from "../../lib/mount-point.ts";
import type { HeldDevices } from "./held-devices.ts";
import { writeOut } from "./volume-image.ts";
import { loopDeviceAt, mountsOfVolume } from "./volume-mounts.ts";

/**
 * Raw block volumes. Staging attaches a loop device to the content, publishing bind-mounts its node
 * on a file, unstaging detaches it. The kernel's table of loop devices is the only record, so each
 * call can be repeated after a crash of driver or kubelet. `held` keeps a pod from detaching it.
 */
export async function stageBlock(held: HeldDevices, content: string): Promise<void> {
  try {
    held.attach(content, { readOnly: false });
  } catch (thrown) {
    if (!isErrno(thrown, "EPERM", "EACCES", "ENOENT", "ENXIO", "ENODEV")) throw thrown;
    throw failedPrecondition(`block volumes need loop devices on the node: ${messageOf(thrown)}`);
  }
}

/** Throws FAILED_PRECONDITION while the volume's device is attached. */
export function requireUnstaged(id: string, content: string): void {
  const [device] = loopDevicesOf(content);
  if (device !== undefined) throw failedPrecondition(`volume ${id} is in use: staged as ${device}`);
}

/**
 * Shows the volume's device at `target`, a file that is created. A read-only one is a device of its
 * own: a read-only mount does not keep its opener from writing to a device.
 */
export async function publishBlock(
  held: HeldDevices,
  { id, content }: { id: string; content: string },
  target: string,
  readOnly: boolean,
): Promise<void> {
  if (loopDevicesOf(content).length === 0) throw failedPrecondition(`volume ${id} is not staged`);
  if (mountAt(target)) {
    const shown = loopDeviceAt(content, target);
    if (!shown) throw failedPrecondition(`something else is mounted at ${target}`);
    if (isReadOnlyDevice(shown) === readOnly) return;
    throw alreadyExists(`volume ${id} is at ${target} already, with the other access`);
  }
  const device = held.attach(content, { readOnly });
  if (readOnly) {
    // The other device has in memory the writes of pods, and this one the blocks it read before.
    await syncDevices(content);
    device.dropCache();
  }
  await makeFile(target);
  bindMount(device.path, target);
}

/** Detaches the volume's devices. Throws FAILED_PRECONDITION while one is published. */
export async function unstageBlock(held: HeldDevices, id: string, content: string): Promise<void> {
  const [published] = mountsOfVolume(content);
  if (published) {
    throw failedPrecondition(`volume ${id} is still published at ${published.mountPoint}`);
  }
  await syncDevices(content);
  held.detach(content);
}

/** Writes what the kernel holds of a volume's devices to its content. */
export async function syncDevices(content: string): Promise<void> {
  for (const name of loopDevicesOf(content)) await writeOut([path.join("/dev", name)]);
}

/** Makes the file that will be mounted on, through no link; one that exists must be empty. */
async function makeFile(target: string): Promise<void> {
  const { O_CREAT, O_NOFOLLOW, O_RDONLY } = constants;
  const handle = await open(target, O_CREAT | O_NOFOLLOW | O_RDONLY, 0o600);
  await handle.close();
  const found = await lstat(target);
  if (!found.isFile() || found.size > 0) {
    throw failedPrecondition(`target_path is not an empty file: ${target}`);
  }
}
