import os from "node:os";
import { milliValueOf, quantityOf, subtractQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import type { NodeAllocatable } from "../pods/downward.ts";
import { filesystemSpace } from "./machine.ts";

export interface NodeResources {
  capacity: Record<string, string>;
  allocatable: Record<string, string>;
}

export interface CapacityOptions {
  rootDir: string;
  maxPods: number;
  reserved: Record<string, string>;
  /** Memory that eviction keeps free, in bytes. */
  evictionMemory_bytes: number;
  /** Share of the disk that eviction keeps free. */
  evictionDisk: number;
  devices: DeviceManager | undefined;
}

/** Returns capacity and allocatable: the machine without the reserved amounts, and the devices. */
export async function nodeResources(options: CapacityOptions): Promise<NodeResources> {
  const disk = await filesystemSpace(options.rootDir);
  const capacity: Record<string, string> = {
    cpu: String(os.availableParallelism()),
    memory: `${Math.floor(os.totalmem() / 1024)}Ki`,
    "ephemeral-storage": `${Math.floor(disk.capacity_bytes / 1024)}Ki`,
    pods: String(options.maxPods),
  };
  const kept: Record<string, string> = {
    memory: quantityOf(options.evictionMemory_bytes, "binary"),
    "ephemeral-storage": quantityOf(Math.floor(disk.capacity_bytes * options.evictionDisk)),
  };
  const allocatable: Record<string, string> = {};
  for (const [name, amount] of Object.entries(capacity)) {
    allocatable[name] = [options.reserved[name], kept[name]].reduce<string>(
      (left, taken) => (taken === undefined ? left : subtractQuantity(left, taken)),
      amount,
    );
  }
  const devices = options.devices?.capacity();
  return {
    capacity: { ...capacity, ...devices?.capacity },
    allocatable: { ...allocatable, ...devices?.allocatable },
  };
}

/** Returns the allocatable amounts as numbers. */
export const allocatableNumbers = ({ allocatable }: NodeResources): NodeAllocatable => ({
  cpu_milli: milliValueOf(allocatable["cpu"] ?? "0"),
  memory_bytes: valueOf(allocatable["memory"] ?? "0"),
  ephemeralStorage_bytes: valueOf(allocatable["ephemeral-storage"] ?? "0"),
});
