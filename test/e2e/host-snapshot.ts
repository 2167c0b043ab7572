import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { processTable } from "../../cli/observe/process-table.ts";
import { clusterRoots } from "../../cli/spec/config.ts";

/** A host's state of everything that a cluster creates, one list of lines per subject. */
export type HostSnapshot = Readonly<Record<string, readonly string[]>>;

const CGROUP_DEPTH_MAX = 3;
/** Folders that other programs make when they first run, be it for another test, and keep. */
const OF_PROGRAMS = [
  "/run/blkid",
  "/run/containerd",
  "/run/crun",
  "/run/ganesha",
  "/run/libpod",
  "/run/netns",
  "/run/runc",
  "/run/xtables.lock",
  "/var/lib/cni",
  "/var/lib/containers",
];
/** Where clusters are that a person started on this machine: a test's own are elsewhere. */
const OF_CLUSTERS = Object.values(clusterRoots({}));

const isOfHost = (path: string) => ![...OF_PROGRAMS, ...OF_CLUSTERS].includes(path);

/**
 * Reads the host's state. Counters, ages and other things that change by themselves are left out,
 * and the cgroups of other clusters: hierarchies are the machine's, and other tests may run.
 */
export function snapshotHost(cluster: string): HostSnapshot {
  return {
    links: command("ip", "-o", "link").map((line) => withoutIndex(line)),
    addresses: command("ip", "-o", "addr").map((line) => line.replace(/valid_lft.*/, "")),
    routes: command("ip", "route", "show", "table", "all"),
    rules: command("ip", "rule"),
    // `cni-` is how containerd names those of its pods.
    netns: command("ip", "netns", "list").filter((line) => !line.startsWith("cni-")),
    nftables: command("nft", "-s", "list", "ruleset"),
    iptables: command("iptables-save")
      .filter((line) => !line.startsWith("#"))
      .map(withoutCounters),
    sysctls: sysctls(),
    mounts: mounts(),
    cgroups: cgroups(cluster),
    run: folder("/run").filter(isOfHost),
    varLib: folder("/var/lib").filter(isOfHost),
    etcCni: folder("/etc/cni"),
    sockets: command("ss", "-Hlntux").map((line) => listening(line)),
    processes: processes(),
  };
}

/**
 * Lines that differ, as `subject: + line` or `subject: - line`. Empty when nothing is left behind.
 */
export function differences(before: HostSnapshot, after: HostSnapshot): string[] {
  return Object.keys(before).flatMap((subject) => {
    const [was, is] = [count(before[subject] ?? []), count(after[subject] ?? [])];
    const lines = [...new Set([...was.keys(), ...is.keys()])];
    return lines.flatMap((line) => {
      const change = (is.get(line) ?? 0) - (was.get(line) ?? 0);
      return change === 0 ? [] : [`${subject}: ${change > 0 ? "+" : "-"} ${line}`];
    });
  });
}

function count(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

function command(program: string, ...args: string[]): string[] {
  const output = execFileSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return output
    .split("\n")
    .map((line) => line.trimEnd())
    .filter(Boolean);
}

const withoutIndex = (line: string) => line.replace(/^\d+: /, "").replace(/qlen \d+/, "");
const withoutCounters = (line: string) => line.replace(/\[\d+:\d+\]/, "[]");

/** A listening socket by its protocol and address; abstract names of others' tests come and go. */
function listening(line: string): string {
  const [protocol, , , , address] = line.split(/\s+/);
  return `${protocol} ${address}`;
}

function sysctls(): string[] {
  return command("sysctl", "-a", "--ignore")
    .filter((line) => /^(net\.ipv4|net\.ipv6|net\.bridge|net\.netfilter|kernel\.|fs\.)/.test(line))
    .filter(
      (line) =>
        !/count|random|nr_|file-nr|quota|dentry|inode|pid_max|ns_last|pty|tainted|ticks/.test(line),
    );
}

function mounts(): string[] {
  const text = readFileSync("/proc/self/mountinfo", "utf8");
  return mountsOf(text, dirname(process.env["R2K_DATA"] ?? "/"));
}

/** The mounts of `ownMounts`: what of a file system is mounted, and where. */
export function mountsOf(mountInfo: string, own: string): string[] {
  return ownMounts(mountInfo, own).map((line) => line.split(" ").slice(3, 5).join(" "));
}

/**
 * The lines of the mounts that are the host's or below `own`. Those of other clusters and tests,
 * copied when this host was made, go when these end: the kernel detaches a mount everywhere when
 * its folder is removed.
 */
export function ownMounts(mountInfo: string, own: string): string[] {
  const others = [tmpdir(), "/run/netns", ...OF_CLUSTERS];
  return mountInfo
    .trim()
    .split("\n")
    .filter((line) => {
      const point = line.split(" ")[4] ?? "";
      const isBelow = (folder: string) => point.startsWith(`${folder}/`);
      return isBelow(own) || !others.some(isBelow);
    });
}

/** All of the cluster's, and the first ones of others: below, they come and go as others work. */
function cgroups(cluster: string): string[] {
  const roots = readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name));
  const own = roots
    .flatMap((root) => tree(root, CGROUP_DEPTH_MAX))
    .filter((path) => path.includes(`/r2k/${cluster}`));
  // containerd's groups of other tests' pods are named `SLICE:cri-containerd:ID`; podman and
  // buildah, beside which containers by hand are measured, keep theirs.
  const beside = roots
    .flatMap((root) => tree(root, 1))
    .filter((path) => !/\/r2k|:cri-containerd:|\/libpod_|\/buildah-/.test(path));
  return [...own, ...beside].sort();
}

function tree(path: string, depth: number): string[] {
  if (depth === 0) return [];
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory());
    return folders.flatMap((entry) => {
      const child = join(path, entry.name);
      return [child, ...tree(child, depth - 1)];
    });
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ENOTDIR")) return [];
    throw thrown;
  }
}

/** Processes that see this host's mounts; those of other tests see their own. */
function processes(): string[] {
  const own = readlinkSync("/proc/self/ns/mnt");
  return processTable()
    .filter((entry) => entry.pid !== process.pid && mountNamespace(entry.pid) === own)
    .map((entry) => entry.command);
}

function mountNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ESRCH", "EACCES")) return undefined;
    throw thrown;
  }
}

function folder(path: string): string[] {
  try {
    return readdirSync(path).map((name) => join(path, name));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return [];
    throw thrown;
  }
}
