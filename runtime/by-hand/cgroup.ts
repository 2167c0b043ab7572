import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Cgroups } from "@raft2kube/linux/cgroup/cgroup.ts";
import { writeControl } from "@raft2kube/linux/cgroup/cgroup-files.ts";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";
import type { OciDeviceRule, OciHook, OciResources } from "../oci/spec.ts";
import { attachDeviceProgram } from "./device-program.ts";
import { ByHandError } from "./error.ts";

/** A cgroup in one hierarchy of the machine. */
export interface CgroupPlace {
  /** The controllers of a v1 hierarchy, as its folder is named; empty for v2. */
  readonly name: string;
  readonly directory: string;
}

/** The directories of a cgroup: one for v2, one for each hierarchy of v1. */
export function cgroupPlaces(group: string | undefined): CgroupPlace[] {
  if (group === undefined) return [];
  const mounts = readMountInfo();
  const v1 = mounts.filter((item) => item.type === "cgroup" && item.root === "/");
  const hierarchies = v1.length > 0 ? v1 : mounts.filter((item) => item.type === "cgroup2");
  const places = hierarchies
    .slice(0, v1.length > 0 ? undefined : 1)
    .map(({ mountPoint }) => ({
      name: v1.length > 0 ? path.basename(mountPoint) : "",
      directory: path.join(mountPoint, group),
    }));
  return places.filter(({ directory }) => existsSync(directory));
}

/** Makes a container's cgroup; undefined where it has none. */
export function createCgroup(group: string | undefined): Cgroups | undefined {
  if (group === undefined) return undefined;
  const cgroups = openCgroups();
  cgroups.create(group);
  return cgroups;
}

/**
 * Moves the calling process into a cgroup, in every hierarchy. The steps are reported first, so
 * that the write reports none of its own, as `writeControl` does.
 */
export function joinCgroup(group: string | undefined): void {
  for (const { directory } of cgroupPlaces(group)) {
    step(() => `echo $$ > ${directory}/cgroup.procs`);
  }
  // lab:01 begin join-cgroup
  for (const { directory } of cgroupPlaces(group)) {
    writeFileSync(path.join(directory, "cgroup.procs"), String(process.pid));
  }
  // lab:01 end
}

/** Sets the limits of the runtime spec on a cgroup. */
export function limitCgroup(cgroups: Cgroups, group: string, resources: OciResources): void {
  const { memory, cpu, pids, unified } = resources;
  cgroups.setLimits(group, {
    ...(memory?.limit !== undefined && { memory_bytes: memory.limit }),
    ...(cpu?.shares !== undefined && { cpuShares: cpu.shares }),
    ...(cpu?.quota !== undefined && { cpuQuota_us: cpu.quota }),
    ...(cpu?.period !== undefined && { cpuPeriod_us: cpu.period }),
    ...(pids && { pids: pids.limit }),
  });
  const places = cgroupPlaces(group);
  const write = (file: string, value: string | undefined) => {
    if (value === undefined) return;
    const place = places.find(({ directory }) => existsSync(path.join(directory, file)));
    if (!place) throw new ByHandError("failed-precondition", `no cgroup has ${file}`);
    writeControl(path.join(place.directory, file), value);
  };
  write("cpuset.cpus", cpu?.cpus);
  write("cpuset.mems", cpu?.mems);
  write("memory.oom.group", unified?.["memory.oom.group"]);
  if (memory?.swap !== undefined) limitSwap(cgroups.version, memory, write);
}

function limitSwap(
  version: Cgroups["version"],
  memory: NonNullable<OciResources["memory"]>,
  write: (file: string, value: string) => void,
): void {
  const swap = memory.swap!;
  if (version === 1) return write("memory.memsw.limit_in_bytes", String(swap));
  // The runtime spec counts memory and swap together, cgroup v2 swap alone.
  write("memory.swap.max", swap < 0 ? "max" : String(swap - (memory.limit ?? 0)));
}

/** Sets which devices a cgroup's processes may use: v1 by two files, v2 by a program. */
export function limitDevices(group: string, rules: readonly OciDeviceRule[]): void {
  const { name, directory } = devicesPlace(group);
  if (name === "") return attachDeviceProgram(directory, rules);
  for (const [file, rule] of deviceFiles(directory, rules)) writeControl(file, rule);
}

/**
 * Sets the devices of a container in a group that exists, so that its OCI runtime adds none of its
 * own choice. Returns what the specification needs: v2 asks a program of each group, so the
 * container gets one below; v1 is set again by hooks, before the container's process runs.
 */
export function limitDevicesBeside(
  group: string,
  rules: readonly OciDeviceRule[],
): { cgroupsPath: string; createRuntime: OciHook[] } {
  const { name, directory } = devicesPlace(group);
  if (name === "") {
    attachDeviceProgram(directory, rules);
    return { cgroupsPath: `${group}/container`, createRuntime: [] };
  }
  const lines = deviceFiles(directory, rules).map(([file, rule]) => `echo '${rule}' > '${file}'`);
  return { cgroupsPath: group, createRuntime: [shellHook(lines)] };
}

/**
 * A hook that runs lines of a shell. It reads the container's state first: an OCI runtime that
 * cannot write all of it to a hook (EPIPE) ends the container.
 */
export function shellHook(lines: readonly string[]): OciHook {
  const script = ["while read -r _; do :; done", ...lines].join("\n");
  return { path: "/bin/sh", args: ["sh", "-ec", script] };
}

/** The place of a cgroup's device rules. */
function devicesPlace(group: string): CgroupPlace {
  const found = cgroupPlaces(group).find(
    ({ name, directory }) => name === "" || existsSync(path.join(directory, "devices.deny")),
  );
  if (!found) throw new ByHandError("failed-precondition", "no cgroup limits devices");
  return found;
}

/** The files of v1 and what to write to them, in turn. */
const deviceFiles = (directory: string, rules: readonly OciDeviceRule[]) =>
  rules.map((rule) => {
    const file = path.join(directory, rule.allow ? "devices.allow" : "devices.deny");
    return [file, deviceRule(rule)] as const;
  });

/** A rule in the words of v1's files: `c 1:3 rwm`; all devices are `a *:* rwm`. Pure. */
export function deviceRule({ type = "a", major, minor, access }: OciDeviceRule): string {
  // lab:01 begin device-rule
  return `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`;
  // lab:01 end
}
