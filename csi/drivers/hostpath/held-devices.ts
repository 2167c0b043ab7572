import path from "node:path";
import {
  attachedLoopDevices,
  attachLoopDevice,
  detachLoopDevice,
  isReadOnlyDevice,
  type LoopDevice,
  loopDevicesOf,
  openLoopDeviceOf,
} from "@raft2kube/linux/mount/loop-device.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";

const log = logger("csi-hostpath");

/**
 * Detaches a device that was published if its file is none of those in `folder`: a pod has given it
 * another (LOOP_CHANGE_FD, which the kernel allows for read-only devices). Such a device is found
 * neither by its content's name nor, after a restart of the driver, by a descriptor.
 */
export function detachSwapped(name: string, folder: string): void {
  const file = attachedLoopDevices().find((device) => device.name === name)?.file;
  if (file === undefined || !isReadOnlyDevice(name)) return;
  using ours = path.dirname(file) === folder ? openLoopDeviceOf(name, file) : undefined;
  if (!ours) detachLoopDevice(name);
}

/**
 * Descriptors of the loop devices of block volumes, by content, from their attachment to their
 * detachment. A pod that has a device's node may detach it (LOOP_CLR_FD needs no capability), and
 * the pod would then have the node of the next volume that gets the number. While a descriptor is
 * open the kernel only notes the wish. A volume has two at most: writable and read-only.
 */
export class HeldDevices implements Disposable {
  readonly #held = new Map<string, Map<string, LoopDevice>>();

  /** Attaches a device to the content, or keeps the one that it has with this access. */
  attach(content: string, access: { readOnly: boolean }): LoopDevice {
    return this.#hold(content, attachLoopDevice(content, access));
  }

  /** Opens the devices that these contents have: their driver was started again. */
  reopen(contents: ReadonlySet<string>): void {
    if (contents.size === 0) return;
    for (const { name, file } of attachedLoopDevices()) {
      if (!contents.has(file)) continue;
      try {
        const device = openLoopDeviceOf(name, file);
        if (device) this.#hold(file, device);
      } catch (thrown) {
        const error = messageOf(thrown);
        log.warn("a pod can detach its block volume: the device cannot be opened", { name, error });
      }
    }
  }

  /** Detaches the content's devices, each by its descriptor: its number is not another's yet. */
  detach(content: string): void {
    const devices = this.#held.get(content) ?? new Map<string, LoopDevice>();
    for (const [name, device] of devices) {
      device.detach();
      device[Symbol.dispose]();
      devices.delete(name);
    }
    this.#held.delete(content);
    for (const name of loopDevicesOf(content)) detachLoopDevice(name);
  }

  /** Closes the descriptors; the devices stay attached. */
  [Symbol.dispose](): void {
    for (const devices of this.#held.values()) {
      for (const device of devices.values()) device[Symbol.dispose]();
    }
    this.#held.clear();
  }

  #hold(content: string, device: LoopDevice): LoopDevice {
    const devices = this.#held.get(content) ?? new Map<string, LoopDevice>();
    this.#held.set(content, devices);
    const before = devices.get(device.path);
    if (before) device[Symbol.dispose]();
    else devices.set(device.path, device);
    return before ?? device;
  }
}
