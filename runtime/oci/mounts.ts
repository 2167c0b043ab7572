import { mkdirSync, realpathSync } from "node:fs";
import path from "node:path";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { MountTable, readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { type Mount, MountPropagation, NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { withoutEnd } from "@raft2kube/std/text.ts";
import { RuntimeError } from "../errors.ts";
import { TERMINALS_PER_CONTAINER } from "../limits.ts";
import { type PodIds, podIdsOf, withPodIds } from "./pod-ids.ts";
import type { OciMount } from "./spec.ts";

/** The group `tty`, to which programs give terminals. */
export const TERMINAL_GROUP = 5;

/**
 * The file systems that every container has (runtime-spec, config-linux.md, default filesystems).
 */
export function kernelMounts(options: {
  privileged: boolean;
  cgroups: boolean;
  /** Whether that group is there: in a user namespace it may not be. */
  terminalGroup: boolean;
}): OciMount[] {
  const access = options.privileged ? "rw" : "ro";
  const group = options.terminalGroup ? [`gid=${TERMINAL_GROUP}`] : [];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: [
        ...["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        ...[`max=${TERMINALS_PER_CONTAINER}`, ...group],
      ],
    },
    {
      destination: "/dev/mqueue",
      type: "mqueue",
      source: "mqueue",
      options: ["nosuid", "noexec", "nodev"],
    },
    {
      destination: "/sys",
      type: "sysfs",
      source: "sysfs",
      options: ["nosuid", "noexec", "nodev", access],
    },
    ...(options.cgroups ? [cgroupMount(access)] : []),
  ];
}

const cgroupMount = (access: string): OciMount => ({
  destination: "/sys/fs/cgroup",
  type: "cgroup",
  source: "cgroup",
  options: ["nosuid", "noexec", "nodev", "relatime", access],
});

function bind(destination: string, source: string, options: string[]): OciMount {
  return { destination, type: "bind", source, options: ["rbind", ...options] };
}

/** Files and folders of the sandbox that its containers see, unless a volume is mounted there. */
export function sandboxMounts(
  files: { shm: string; resolvConf: string; hostname: string; hosts: string },
  options: { readonly: boolean },
): OciMount[] {
  const access = options.readonly ? "ro" : "rw";
  return [
    bind("/dev/shm", files.shm, ["rprivate", "rw", "nosuid", "nodev", "noexec"]),
    bind("/etc/resolv.conf", files.resolvConf, ["rprivate", access]),
    bind("/etc/hostname", files.hostname, ["rprivate", access]),
    bind("/etc/hosts", files.hosts, ["rprivate", access]),
  ];
}

const PROPAGATION: Record<number, "rprivate" | "rslave" | "rshared"> = {
  [MountPropagation.PROPAGATION_PRIVATE]: "rprivate",
  [MountPropagation.PROPAGATION_HOST_TO_CONTAINER]: "rslave",
  [MountPropagation.PROPAGATION_BIDIRECTIONAL]: "rshared",
};

/** Propagation needs a mount that propagates: say so here, as the OCI runtime's error would not. */
function requirePropagation(
  source: string,
  propagation: "rslave" | "rshared",
  mounts: MountTable,
): void {
  const mount = mounts.of(source);
  const tags = mount?.propagation ?? [];
  const shared = tags.some((tag) => tag.startsWith("shared:"));
  const slave = tags.some((tag) => tag.startsWith("master:"));
  if (shared || (propagation === "rslave" && slave)) return;
  throw new RuntimeError(
    "failed-precondition",
    `${source} is on the mount ${mount?.mountPoint ?? "/"}, which is not shared` +
      (propagation === "rslave" ? " nor a slave" : ""),
    { remedy: `mount --make-rshared ${mount?.mountPoint ?? "/"}` },
  );
}

/**
 * The source of a volume, links resolved. One that is missing is made, a folder, as kubelets
 * expect. A mount is not looked into: its server may not answer, and this is the runtime's only
 * thread.
 */
function sourceOf(mount: Mount): string {
  if (!mount.hostPath.startsWith("/")) {
    throw new RuntimeError("invalid-argument", `mount source ${mount.hostPath} is not absolute`);
  }
  try {
    const above = realpathSync(path.dirname(mount.hostPath));
    const source = path.join(above, path.basename(mount.hostPath));
    return isMountPoint(source) ? source : realpathSync(source);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    mkdirSync(mount.hostPath, { recursive: true });
    return realpathSync(mount.hostPath);
  }
}

/** Mappings of a volume must be its pod's: others would give it another pod's ids. */
function isMapped({ containerPath, uidMappings, gidMappings }: Mount, ids: PodIds | undefined) {
  if (uidMappings.length + gidMappings.length === 0) return false;
  const asked = podIdsOf({ mode: NamespaceMode.POD, uids: uidMappings, gids: gidMappings });
  if (JSON.stringify(asked) === JSON.stringify(ids)) return true;
  const why = "are not those of the pod's user namespace";
  throw new RuntimeError("invalid-argument", `the id mappings of ${containerPath} ${why}`);
}

/**
 * Throws for a volume that cannot be shown with a pod's ids: crun maps one mount, so that those
 * beneath it would be missing or have the node's ids, as would those that propagate later.
 */
function requireMappable(
  source: string,
  containerPath: string,
  propagation: string,
  mounts: MountTable,
): void {
  const what = `the volume at ${containerPath} cannot have the pod's ids`;
  const beneath = mounts.below(source);
  if (beneath !== undefined) {
    const remedy = "mount that one as a volume of its own, or set hostUsers: true in the pod";
    const message = `${what}: ${beneath} is mounted beneath it`;
    throw new RuntimeError("failed-precondition", message, { remedy });
  }
  if (propagation === "rprivate") return;
  throw new RuntimeError("invalid-argument", `${what}: its propagation is not private`, {
    remedy: "remove mountPropagation from the volume mount, or set hostUsers: true in the pod",
  });
}

function volumeMount(
  mount: Mount,
  ids: PodIds | undefined,
  lookUp: typeof sourceOf,
  mounts: () => MountTable,
): OciMount {
  if (!mount.containerPath.startsWith("/")) {
    throw new RuntimeError("invalid-argument", `mount path ${mount.containerPath} is not absolute`);
  }
  const source = lookUp(mount);
  const propagation = PROPAGATION[mount.propagation];
  if (propagation === undefined) {
    throw new RuntimeError("invalid-argument", `mount propagation ${mount.propagation}`);
  }
  if (propagation !== "rprivate") requirePropagation(source, propagation, mounts());
  if (mount.recursiveReadOnly && (!mount.readonly || propagation !== "rprivate")) {
    const what = `recursive read-only mount at ${mount.containerPath}`;
    throw new RuntimeError("invalid-argument", `${what} must be read-only and private`);
  }
  const access = mount.recursiveReadOnly ? "rro" : mount.readonly ? "ro" : "rw";
  const volume = bind(mount.containerPath, source, [propagation, access]);
  if (!isMapped(mount, ids)) return volume;
  requireMappable(source, mount.containerPath, propagation, mounts());
  return withPodIds(volume, ids);
}

/**
 * The volumes of a container in the order that they must be mounted: outer folders first. Each
 * source is looked up once, and the kernel's list of mounts read once at most: a container may
 * mount one volume 20,000 times, and the list be as long.
 */
export function volumeMounts(
  mounts: Mount[],
  ids?: PodIds,
  { read = readMountInfo, lookUp = sourceOf } = {},
): OciMount[] {
  const depth = (mount: Mount) => mount.containerPath.split("/").filter(Boolean).length;
  let table: MountTable | undefined;
  const listed = () => (table ??= new MountTable(read()));
  const sources = new Map<string, string>();
  const lookUpOnce = (mount: Mount) => {
    const source = sources.get(mount.hostPath) ?? lookUp(mount);
    sources.set(mount.hostPath, source);
    return source;
  };
  const sorted = mounts.toSorted((a, b) => depth(a) - depth(b));
  return sorted.map((mount) => volumeMount(mount, ids, lookUpOnce, listed));
}

/** The propagation that the container's root needs so that its volumes' can work. */
export function rootPropagation(mounts: Mount[]): "private" | "slave" | "shared" {
  const values = mounts.map((mount) => PROPAGATION[mount.propagation]);
  if (values.includes("rshared")) return "shared";
  return values.includes("rslave") ? "slave" : "private";
}

/** Base mounts with those left out that a volume replaces. */
export function combineMounts(base: OciMount[], volumes: OciMount[]): OciMount[] {
  const normal = (path: string) => withoutEnd(path, "/");
  const taken = new Set(volumes.map((mount) => normal(mount.destination)));
  return [...base.filter((mount) => !taken.has(normal(mount.destination))), ...volumes];
}
