import { stat } from "node:fs/promises";
import { CodedError } from "@raft2kube/std/errors.ts";

/** Throws CodedError unless the path is a device node. */
export async function requireDevice(devicePath: string): Promise<void> {
  const found = await stat(devicePath);
  if (found.isCharacterDevice() || found.isBlockDevice()) return;
  throw new CodedError("NotADevice", `${devicePath} is not a device node`);
}
