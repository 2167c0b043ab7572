import type { Invoke } from "@raft2kube/cni/lib/types.ts";
import type { CgroupMode } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { RegistryEndpoints } from "@raft2kube/runtime/image/registry.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import type { PublishedPort } from "./hand.ts";

/** Where containers made by hand are, and the programs that make them. */
export interface Host {
  /** Records, what containers wrote, volumes, networks, logs: kept. */
  readonly root: string;
  /** Mounts, pids and sockets: gone with the machine's run. Short, as sockets are in it. */
  readonly state: string;
  /** The images, which are those of a cluster's first node. */
  readonly imagesDir: string;
  /** The root folder of that node's runtime, whose containers stand on the same images. */
  readonly nodeRoot: string;
  readonly cgroupParent: string;
  /** `none` in a user namespace whose groups cannot be made. */
  readonly cgroups: CgroupMode;
  readonly crun: string;
  /** Our own OCI runtime; `isUsed` for new containers. */
  readonly byHand: { readonly command: readonly string[]; readonly isUsed: boolean };
  readonly conmon: string;
  /** catatonit: the init of `--init`, and in user namespaces a sandbox's first process. */
  readonly init: string;
  /** The folder of our CNI plugins. */
  readonly cniBinDir: string;
  readonly cniInvoke: Invoke;
  /** The command that runs `r2k container`, for conmon. */
  readonly self: readonly string[];
  /** Forwards these ports of the machine here, and no others; absent where they are its own. */
  readonly publish?: (ports: readonly PublishedPort[]) => Promise<void>;
  readonly registries: RegistryEndpoints;
  readonly clock: Clock;
  readonly version: string;
}

/** Throws for what needs cgroups, where an ordinary user's namespaces have none. */
export function requireCgroups({ cgroups }: Pick<Host, "cgroups">, what: string): void {
  if (cgroups !== "none") return;
  throw new RuntimeError("failed-precondition", `${what} needs cgroups, and there are none here`, {
    remedy: "sudo r2k container ..., or do without",
  });
}

/** Returns an error as it is, one of a full disk with what to do about it. */
export function withRemedy(cause: unknown, folder: string): unknown {
  if (!isErrno(cause, "ENOSPC", "EDQUOT")) return cause;
  return new RuntimeError("resource-exhausted", `the disk is full: ${messageOf(cause)}`, {
    cause,
    remedy: `make room for ${folder}: r2k container rm, rmi, or system prune`,
  });
}

/** A host that is looked up when a command needs it: help needs none. */
export type FindHost = () => Promise<Host>;
