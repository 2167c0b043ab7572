import { readFile, statfs } from "node:fs/promises";
import os from "node:os";
import { isErrno } from "@raft2kube/std/errors.ts";
import { PODS_PIDS_SHARE } from "../limits.ts";

/** Capacity of a file system and its free space. */
export interface FilesystemSpace {
  capacity_bytes: number;
  available_bytes: number;
  inodes: number;
  inodesFree: number;
}

/** Returns the space of the file system that holds `path`. */
export async function filesystemSpace(path: string): Promise<FilesystemSpace> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  return {
    capacity_bytes: blocks * bsize,
    available_bytes: bavail * bsize,
    inodes: files,
    inodesFree: ffree,
  };
}

/** Returns the memory that is available to processes (MemAvailable), in bytes. */
export async function memoryAvailable_bytes(): Promise<number> {
  const text = await readFile("/proc/meminfo", "utf8");
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return Number(kibibytes ?? 0) * 1024;
}

/** Returns the memory of the machine's TCP connections, which the kernel counts in pages. */
export async function tcpMemory_bytes(): Promise<number> {
  const text = await readFile("/proc/net/sockstat", "utf8");
  return Number(/^TCP: .*\bmem (\d+)$/m.exec(text)?.[1] ?? 0) * PAGE_BYTES;
}

/** The least size of a page. */
const PAGE_BYTES = 4_096;

export interface ProcessSpace {
  /** Limit of the kernel. */
  most: number;
  running: number;
}

/** Returns the usage and limit of the kernel's process table. */
export async function processSpace(): Promise<ProcessSpace> {
  const numberIn = async (path: string) => Number(await readFile(path, "utf8"));
  const pids = await numberIn("/proc/sys/kernel/pid_max");
  const threads = await numberIn("/proc/sys/kernel/threads-max");
  const running = /^\S+ \S+ \S+ \d+\/(\d+) /.exec(await readFile("/proc/loadavg", "utf8"))?.[1];
  return { most: Math.min(pids, threads), running: Number(running ?? 0) };
}

/** Returns the limit of processes and threads of all pods together. */
export async function podsPidsMax(): Promise<number> {
  return Math.floor((await processSpace()).most * PODS_PIDS_SHARE);
}

export interface MachineIdentity {
  machineID: string;
  systemUUID: string;
  bootID: string;
  kernelVersion: string;
  osImage: string;
  architecture: string;
}

/** Returns the machine's and system's names for `status.nodeInfo`; unreadable ones are empty. */
export async function machineIdentity(): Promise<MachineIdentity> {
  const release = await textOf("/etc/os-release");
  return {
    machineID: await textOf("/etc/machine-id"),
    systemUUID: await textOf("/sys/class/dmi/id/product_uuid"),
    bootID: await textOf("/proc/sys/kernel/random/boot_id"),
    kernelVersion: os.release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? "",
    architecture: architecture(),
  };
}

/** Returns the processor architecture by Go's name (GOARCH), as in image indexes. */
export function architecture(): string {
  return { x64: "amd64", ia32: "386" }[os.arch() as string] ?? os.arch();
}

async function textOf(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (thrown) {
    // Absent on this system or not readable by this user: the field stays empty.
    if (isErrno(thrown, "ENOENT", "EACCES", "ENOTDIR", "EIO", "ENODATA")) return "";
    throw thrown;
  }
}
