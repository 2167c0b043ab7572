import { lookup } from "node:dns/promises";
import { DetachedMount } from "@raft2kube/linux/mount/detached-mount.ts";
import type { MountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { codeOf, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { notFound } from "../../../lib/errors.ts";
import type { MountOptions } from "../mount-options.ts";
import { type Share, sourceOf } from "../share.ts";

/** A mount that only its holder sees, until it is attached to a path. */
export interface OpenMount extends Disposable {
  /** Leads to its root while this is held. */
  readonly path: string;
  attach(target: string): void;
}

/** Mounts directories of servers: NFS, or what a test has in its place. */
export interface Mounter {
  open(share: Share, subDir: string, mount: MountOptions): Promise<OpenMount>;
  /** The server's directory that a mount shows, `server:/share/volume`; undefined for others. */
  sourceOfMount(mount: MountInfo): string | undefined;
}

/** The kernel's NFS client. */
export const nfsMounter: Mounter = {
  async open(share, subDir, mount) {
    const address = await addressOf(share.server);
    const source = sourceOf(share, subDir);
    const { options, attributes, versions } = mount;
    let missing: unknown;
    for (const [i, version] of versions.entries()) {
      // Paths of NFS 4 start at the root of the server's exports, those of NFS 3 at its own.
      if (missing !== undefined && version !== "3") continue;
      try {
        const all = [`vers=${version}`, `addr=${address}`, ...options];
        return DetachedMount.open({ type: "nfs", source, options: all, attributes });
      } catch (thrown) {
        if (isErrno(thrown, "ENOENT")) missing ??= thrown;
        else if (missing === undefined) {
          const isLast = i === versions.length - 1;
          if (isLast || !isErrno(thrown, "EPROTONOSUPPORT")) throw mountError(source, thrown);
        }
      }
    }
    assert(missing !== undefined, "a list of versions is never empty");
    throw mountError(source, missing);
  },
  sourceOfMount({ type, source }) {
    return type === "nfs" || type === "nfs4" ? source : undefined;
  },
};

async function addressOf(server: string): Promise<string> {
  try {
    return (await lookup(server)).address;
  } catch (thrown) {
    throw new RpcError(Status.UNAVAILABLE, `${server} has no address: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

const REMEDIES: Readonly<Record<string, [status: number, text: string]>> = {
  ENODEV: [
    Status.FAILED_PRECONDITION,
    "this node's kernel has no NFS client: load its modules (modprobe nfs), or use a node whose " +
      "kernel has one",
  ],
  EPERM: [Status.PERMISSION_DENIED, "the driver may not mount, or the server refuses this node"],
  EACCES: [Status.PERMISSION_DENIED, "the server refuses this node: see its exports"],
  EPROTONOSUPPORT: [Status.FAILED_PRECONDITION, "the server has no such version of NFS"],
  EINVAL: [
    Status.INVALID_ARGUMENT,
    "the kernel refuses the mount options, or is older than Linux 5.14",
  ],
};

/** The error of a mount as a status of CSI, with its remedy. */
function mountError(source: string, thrown: unknown): RpcError {
  const code = codeOf(thrown) ?? "";
  const detail = `mounting ${source}: ${messageOf(thrown)}`;
  if (code === "ENOENT") return notFound(`${detail}: the server has no such directory`);
  const [status, text] = REMEDIES[code] ?? [Status.UNAVAILABLE, "the server is not reachable"];
  return new RpcError(status, `${detail}: ${text}`, { cause: thrown });
}
