import { unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { syncDirectory } from "@raft2kube/linux/file/durable-file.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { NamespaceMode, type UserNamespace } from "@raft2kube/proto/gen/cri.ts";
import { CodedError, errno, tolerate } from "@raft2kube/std/errors.ts";
import { USERS_OF_POD } from "../limits.ts";
import { readCheckpointFile, writeCheckpointFile } from "../pods/checkpoint-file.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { podDir, type PodPaths, podsDir } from "../pods/pod-paths.ts";

/** Ids above are no users (uid_t of all ones is -1). */
const ID_END = 2 ** 32 - USERS_OF_POD;

/** A pod asks for users of its own, which it cannot have. */
export class UserRangeError extends CodedError {
  override readonly name = "UserRangeError";
}

/** The node's ids for pods: `pods` ranges of USERS_OF_POD from the id `first` on. */
export interface UserRangesOptions {
  first: number;
  pods: number;
}

/** A pod's range as it is on disk. */
interface StoredRange {
  hostId: number;
  length: number;
}

function fileOf(paths: PodPaths, podUid: string): string {
  return join(podDir(paths, podUid), "userns");
}

/** Whether the pod has users of its own (`hostUsers: false`). */
export function hasOwnUsers({ spec }: Pod): boolean {
  return spec.hostUsers === false;
}

/**
 * The ids of pods with user namespaces (KEP-127): a range each, so that the users of two pods are
 * never the same on the node. A range is on disk, in the pod's directory, before a container runs
 * with it, and is the pod's until it has stopped.
 */
export class UserRanges {
  readonly #paths: PodPaths;
  readonly #options: UserRangesOptions;
  readonly #ranges: Map<string, StoredRange>;

  private constructor(
    paths: PodPaths, options: UserRangesOptions, ranges: Map<string, StoredRange>,
  ) {
    this.#paths = paths;
    this.#options = options;
    this.#ranges = ranges;
  }

  /** Reads the ranges of pods that exist. Throws CheckpointError, and UserRangeError. */
  static async open(paths: PodPaths, options: UserRangesOptions): Promise<UserRanges> {
    const { first, pods } = options;
    if (first < USERS_OF_POD || first % USERS_OF_POD || first + pods * USERS_OF_POD > ID_END) {
      const what = `users from ${first} on for ${pods} pods`;
      const message = `${what} are not multiples of ${USERS_OF_POD}, above the node's, in 32 bits`;
      throw new UserRangeError("InvalidUserRange", message);
    }
    const ranges = new Map<string, StoredRange>();
    for (const uid of await namesIn(podsDir(paths))) {
      const remedy = "stop the pod's containers, then remove its directory";
      const stored = await readCheckpointFile<StoredRange>(fileOf(paths, uid), remedy);
      if (stored) ranges.set(uid, stored);
    }
    return new UserRanges(paths, options, ranges);
  }

  /** Gives a pod with `hostUsers: false` its range, durably; one that has it keeps it. */
  async allocate(pod: Pod): Promise<void> {
    const uid = uidOf(pod);
    if (!hasOwnUsers(pod) || this.#ranges.has(uid)) return;
    const range = { hostId: this.#free(), length: USERS_OF_POD };
    this.#ranges.set(uid, range);
    try {
      await writeCheckpointFile(fileOf(this.#paths, uid), range);
    } catch (thrown) {
      this.#ranges.delete(uid);
      throw thrown;
    }
  }

  #free(): number {
    const { first, pods } = this.#options;
    const taken = new Set([...this.#ranges.values()].map(({ hostId }) => hostId));
    for (let index = 0; index < pods; index++) {
      const hostId = first + index * USERS_OF_POD;
      if (!taken.has(hostId)) return hostId;
    }
    const message = `all ${pods} ranges of users for pods with hostUsers: false are in use`;
    throw new UserRangeError("NoUserRange", message, { remedy: "delete such pods of this node" });
  }

  /** The user namespace of a pod; undefined for one with the node's users. */
  of(pod: Pod): Init<UserNamespace> | undefined {
    if (!hasOwnUsers(pod)) return undefined;
    const range = this.#ranges.get(uidOf(pod));
    if (range === undefined) {
      throw new UserRangeError("NoUserRange", "the pod has no range of users: it has no sandbox");
    }
    const mapping = { containerId: 0, ...range };
    return { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };
  }

  /** Releases the range of a stopped pod, of which no process is left: durably. Idempotent. */
  async release(podUid: string): Promise<void> {
    const gone = errno("ENOENT");
    await tolerate(unlink(fileOf(this.#paths, podUid)), gone);
    await tolerate(syncDirectory(podDir(this.#paths, podUid)), gone);
    this.#ranges.delete(podUid);
  }
}
