import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { type Pressures, readPressures } from "../proc/pressure.ts";
import { step } from "../syscall/steps.ts";
import type { DeviceIo } from "./cgroup.ts";

const REMOVE_TIMEOUT_MS = 10_000;
const REMOVE_INTERVAL_MS = 5;
/** The kernel's way to say "no limit" in v1: LONG_MAX rounded down to a page. */
const UNLIMITED_BYTES = 2 ** 62;

/** The content of an interface file, or undefined when the group (or file) is not there. */
export function readControl(directory: string, file: string): string | undefined {
  return tolerateSync(
    () => readFileSync(path.join(directory, file), "utf8").trim(),
    errno("ENOENT", "ENODEV"),
  );
}

export function makeGroup(directory: string): void {
  step(() => ["mkdir", "-p", directory]);
  mkdirSync(directory, { recursive: true });
}

/** Writes an interface file. */
export function writeControl(file: string, value: string | number): void {
  step(() => `echo ${value} > ${file}`);
  writeFileSync(file, String(value));
}

/** A file with one number; undefined when it is absent, `max`, or v1's "no limit". */
export function readNumber(directory: string, file: string): number | undefined {
  const text = readControl(directory, file);
  if (text === undefined || text === "max") return undefined;
  const value = Number(text);
  return value >= UNLIMITED_BYTES ? undefined : value;
}

/** A flat keyed file (`key value` per line); empty when it is absent. */
export function readKeyed(directory: string, file: string): Map<string, number> {
  const pairs = new Map<string, number>();
  for (const line of (readControl(directory, file) ?? "").split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) pairs.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return pairs;
}

/** Names of the groups directly below; undefined when the group is not there. */
function childrenOf(directory: string): string[] | undefined {
  const entries = tolerateSync(
    () => readdirSync(directory, { withFileTypes: true }),
    errno("ENOENT", "ENODEV"),
  );
  return entries?.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** The group's directory and all below it, the deepest first; empty when it is not there. */
export function groupsBelow(directory: string): string[] {
  const children = childrenOf(directory);
  if (children === undefined) return [];
  return [...children.flatMap((child) => groupsBelow(path.join(directory, child))), directory];
}

/** The number in `file` of each group directly below that has it, by the groups' names. */
export function numbersBelow(directory: string, file: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const name of childrenOf(directory) ?? []) {
    const value = readNumber(path.join(directory, name), file);
    if (value !== undefined) numbers.set(name, value);
  }
  return numbers;
}

/** Processes in the group and below it. */
export function pidsBelow(directory: string): number[] {
  return groupsBelow(directory).flatMap((group) => {
    const text = readControl(group, "cgroup.procs") ?? "";
    // A 0 stands for a process of another pid namespace: not ours to see, nor to kill.
    return text
      .split("\n")
      .map(Number)
      .filter((pid) => pid > 0);
  });
}

/** A device of these numbers without reads and writes. */
export function noIo(id: string): DeviceIo {
  const read = () => `/dev/${path.basename(readlinkSync(`/sys/dev/block/${id}`))}`;
  const device = tolerateSync(read, errno("ENOENT", "EINVAL")) ?? id;
  return { device, reads: 0, writes: 0, read_bytes: 0, written_bytes: 0 };
}

/** Stalls of a group of v2, with or without controllers. */
export const pressuresIn = (directory: string): Pressures =>
  readPressures((resource) => path.join(directory, `${resource}.pressure`));

/** Asserts that a group to kill or remove is not the root, which has every process. */
export function requireBelowRoot(group: string): void {
  assert(path.posix.resolve("/", group) !== "/", `the root of cgroups is not removed: ${group}`);
}

/** SIGKILL to every process of the group and below. */
export function killBelow(directory: string): void {
  for (const pid of pidsBelow(directory)) {
    tolerateSync(() => process.kill(pid, "SIGKILL"), errno("ESRCH"));
  }
}

/** Removes a group that has neither processes nor groups; another stays. The kernel decides. */
export function removeEmptyGroup(directory: string): void {
  tolerateSync(() => rmdirSync(directory), errno("ENOENT", "ENODEV", "EBUSY", "ENOTEMPTY"));
}

/** Removes the group and all below it, again and again while the kernel calls it busy. */
export async function removeBelow(
  directory: string,
  options: { clock: Clock; timeout_ms?: number; kill: () => void },
): Promise<void> {
  const removeOnce = () => {
    try {
      for (const group of groupsBelow(directory)) rmdirSync(group);
      return true;
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENODEV")) return true;
      if (!isErrno(error, "EBUSY", "ENOTEMPTY")) throw error;
      options.kill();
      return false;
    }
  };
  if (removeOnce()) return;
  await waitFor(`cgroup ${directory} to be removed`, removeOnce, {
    clock: options.clock,
    timeout_ms: options.timeout_ms ?? REMOVE_TIMEOUT_MS,
    interval_ms: REMOVE_INTERVAL_MS,
  });
}
