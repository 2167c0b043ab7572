import { closeSync, statSync } from "node:fs";
import { DetachedMount } from "@raft2kube/linux/mount/detached-mount.ts";
import { MountFlag, mount, mountCommand } from "@raft2kube/linux/mount/mount.ts";
import {
  attachMount,
  attachMountAt,
  cloneMount,
  MountAttribute,
  setMountAttributes,
} from "@raft2kube/linux/mount/mount-tree.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { OciMount, OciSpec } from "../oci/spec.ts";
import { type CgroupPlace, cgroupPlaces } from "./cgroup.ts";
import { DEFAULT_DEVICES } from "./devices.ts";
import { directoryWithoutLinks, makeMountPoint } from "./inside.ts";

/** A mount's options, sorted (runtime-spec, config.md, "Linux mount options"). */
export interface MountPlan {
  readonly bind: boolean;
  readonly recursive: boolean;
  /** Bits of MountAttribute to set; the same bits are mount(2)'s flags. */
  readonly attributes: number;
  /** Whether the mount is read-only with all mounts beneath it. */
  readonly recursiveReadOnly: boolean;
  /** Options of the file system itself. */
  readonly data: string;
}

/** Options without an effect here: they ask for the default, or are about the root as a whole. */
const NEUTRAL = new Set([
  "rw",
  "suid",
  "dev",
  "exec",
  "private",
  "rprivate",
  "relatime",
  "strictatime",
]);

/**
 * Sorts a mount's options: bind and rbind, ro and rro, nosuid, nodev, noexec; those in NEUTRAL are
 * dropped, any other is the file system's. Pure.
 */
export function planMount(options: readonly string[]): MountPlan {
  // lab:01 begin plan-mount
  let attributes = 0;
  const data: string[] = [];
  for (const option of options) {
    if (option === "ro" || option === "rro") attributes |= MountAttribute.readonly;
    else if (option === "nosuid") attributes |= MountAttribute.nosuid;
    else if (option === "nodev") attributes |= MountAttribute.nodev;
    else if (option === "noexec") attributes |= MountAttribute.noexec;
    else if (!NEUTRAL.has(option) && option !== "bind" && option !== "rbind") data.push(option);
  }
  return {
    bind: options.includes("bind") || options.includes("rbind"),
    recursive: options.includes("rbind"),
    attributes,
    recursiveReadOnly: options.includes("rro"),
    data: data.join(","),
  };
  // lab:01 end
}

/** A copy of a source outside of the container's root, and where it belongs. */
type Clone = { readonly fd: number; readonly directory: boolean };

/** Sources that were opened while the machine's tree was visible. */
export interface OpenSources {
  readonly binds: ReadonlyMap<OciMount, Clone>;
  /** procfs and sysfs. */
  readonly kernels: ReadonlyMap<OciMount, DetachedMount>;
  /** One copy of /dev/null for each path to mask that may be a file. */
  readonly masks: ReadonlyMap<string, number>;
  readonly cgroups: ReadonlyMap<CgroupPlace, number>;
  /** The default devices, where none can be made: in a user namespace. */
  readonly devices: ReadonlyMap<string, number>;
}

/**
 * File systems that are mounted before the machine's tree is left: in a user namespace the kernel
 * mounts them only where the tree still shows one in full (mount_too_revealing;
 * user_namespaces(7)).
 */
const SHOWN_BEFORE = ["proc", "sysfs"];

/**
 * Clones everything that is to be mounted from the machine, before its tree is left: a path of an
 * image can lead to nothing of the machine afterwards.
 */
export function openSources(spec: OciSpec): OpenSources {
  const binds = new Map<OciMount, Clone>();
  const kernels = new Map<OciMount, DetachedMount>();
  for (const item of spec.mounts) {
    const plan = planMount(item.options);
    if (SHOWN_BEFORE.includes(item.type) && !plan.bind) kernels.set(item, open(item, plan));
    if (!plan.bind) continue;
    const fd = cloneMount(item.source, { recursive: plan.recursive });
    // A copy shares its mounts with the machine's until they are private.
    setMountAttributes(fd, { set: 0, propagation: MountFlag.private, recursive: true });
    setMountAttributes(fd, { set: plan.attributes, recursive: plan.recursiveReadOnly });
    binds.set(item, { fd, directory: statSync(item.source).isDirectory() });
  }
  const masks = new Map(
    (spec.linux.maskedPaths ?? []).map((masked) => {
      return [masked, cloneMount("/dev/null", { recursive: false })];
    }),
  );
  const cgroups = new Map<CgroupPlace, number>();
  const shown = spec.mounts.some(({ type }) => type === "cgroup");
  for (const place of shown ? cgroupPlaces(spec.linux.cgroupsPath) : []) {
    cgroups.set(place, cloneMount(place.directory, { recursive: false }));
  }
  const names = inUserNamespace(readMappedIds()) ? DEFAULT_DEVICES.map((each) => each.path) : [];
  const clones = names.map((at) => [at, cloneMount(at, { recursive: false })] as const);
  return { binds, kernels, masks, cgroups, devices: new Map(clones) };
}

/** Makes a container's mounts, in their order, in its own root. */
export function mountAll(spec: OciSpec, sources: OpenSources): void {
  for (const item of spec.mounts) {
    const { destination, type } = item;
    const plan = planMount(item.options);
    step(() =>
      mountCommand({
        source: item.source || type,
        target: destination,
        type,
        data: plan.data,
        flags:
          plan.attributes |
          (plan.bind ? MountFlag.bind : 0) |
          (plan.recursive ? MountFlag.recursive : 0),
      }),
    );
    const clone = sources.binds.get(item);
    using kernel = sources.kernels.get(item);
    using place = makeMountPoint(destination, { directory: clone?.directory ?? true });
    if (clone) {
      attachMountAt(clone.fd, place.fd);
      closeSync(clone.fd);
    } else if (kernel) attachWithoutLinks(kernel, destination);
    else if (type === "cgroup") mountCgroups(destination, plan, sources.cgroups);
    else {
      const { attributes, data } = plan;
      mountAt(destination, { source: item.source || type, type, attributes, data });
    }
  }
}

function open({ source, type }: OciMount, { attributes, data }: MountPlan): DetachedMount {
  const options = data.split(",").filter(Boolean);
  return DetachedMount.open({ source: source || type, type, attributes, options });
}

/** A link of the image must not choose where procfs or sysfs is mounted. */
function attachWithoutLinks(made: DetachedMount, destination: string): void {
  using place = directoryWithoutLinks(destination);
  made.attachAt(place.fd);
}

/** Mounts a file system. */
function mountAt(
  destination: string,
  what: { source: string; type: string; attributes: number; data: string },
): void {
  const { source, type, attributes, data } = what;
  const options = data.split(",").filter(Boolean);
  using made = DetachedMount.open({ source, type, attributes, options });
  attachWithoutLinks(made, destination);
}

function mountCgroups(
  destination: string,
  { attributes }: MountPlan,
  cgroups: ReadonlyMap<CgroupPlace, number>,
): void {
  const [first] = cgroups.keys();
  if (first?.name === "") {
    mountAt(destination, { source: "cgroup", type: "cgroup2", attributes, data: "" });
    return;
  }
  const data = "mode=755,size=64k";
  mountAt(destination, { source: "tmpfs", type: "tmpfs", attributes: 0, data });
  using folder = directoryWithoutLinks(destination);
  for (const [{ name }, fd] of cgroups) {
    folder.makeDirectory(name, 0o755);
    using place = folder.directory(name);
    setMountAttributes(fd, { set: attributes, recursive: false });
    attachMountAt(fd, place.fd);
    closeSync(fd);
  }
  setMountAttributes(folder.fd, { set: attributes, recursive: false });
}

/**
 * Hides paths: a file beneath its copy of /dev/null, a directory beneath an empty file system that
 * is read-only; one that is not there is left out. A directory need not have a copy. The copies are
 * closed by execve.
 */
export function maskPaths(masked: readonly string[], sources: OpenSources): void {
  // lab:01 begin mask-paths
  for (const target of masked) {
    const found = statSync(target, { throwIfNoEntry: false });
    if (found === undefined) continue;
    if (!found.isDirectory()) attachMount(sources.masks.get(target)!, target);
    else {
      const flags = MountAttribute.readonly;
      mount({ source: "tmpfs", target, type: "tmpfs", flags, data: "size=0k" });
    }
  }
  // lab:01 end
}

/**
 * Makes paths read-only, with all mounts beneath them. One that is not there (ENOENT) is left out;
 * any other error is thrown: the path would stay writable.
 */
export function protectPaths(readonly: readonly string[]): void {
  // lab:01 begin protect-paths
  for (const target of readonly) {
    try {
      const fd = cloneMount(target, { recursive: true });
      setMountAttributes(fd, { set: MountAttribute.readonly, recursive: true });
      attachMount(fd, target);
      closeSync(fd);
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown;
    }
  }
  // lab:01 end
}

/** Makes the container's root itself read-only; what is mounted in it stays as it is. */
export function protectRoot(): void {
  const flags = MountFlag.remount | MountFlag.bind | MountAttribute.readonly;
  mount({ source: "none", target: "/", flags });
}
