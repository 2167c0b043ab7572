import { unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { syncDirectory } from "@raft2kube/linux/file/durable-file.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { NamespaceMode, type UserNamespace } from "@raft2kube/proto/gen/cri.ts";
import { CodedError, errno, tolerate } from "@raft2kube/std/errors.ts";
import { USERS_OF_POD } from "../limits.ts";
import {
  CheckpointError,
  readCheckpointFile,
  writeCheckpointFile,
} from "../pods/checkpoint-file.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { type PodPaths, podDir, podsDir } from "../pods/pod-paths.ts";
import { heldRanges, type IdRange, overlap, type PodRange } from "./held-ranges.ts";

/** Ids above are no users (uid_t of all ones is -1). */
const ID_END = 2 ** 32 - USERS_OF_POD;

/** A pod asks for users of its own, which it cannot have. */
export class UserRangeError extends CodedError {}

/**
 * The node's ids for pods: `pods` ranges of USERS_OF_POD from the id `first` on, but for those with
 * ids of other users of the machine.
 */
export type UserRangesOptions = { first: number; pods: number; others: readonly IdRange[] };

const REMEDY = "delete the pod";
const NO_RANGE_REMEDY =
  "delete such pods of this node; ids of users in /etc/subuid and " +
  "/etc/subgid are not for pods, except those of the user kubelet";

function refusal(message: string): UserRangeError {
  return new UserRangeError("InvalidUserRange", message, { remedy: REMEDY });
}

/** Whether a value read from disk is a range that a pod can have. */
const isRange = ({ hostId, length }: IdRange): boolean =>
  length === USERS_OF_POD &&
  Number.isInteger(hostId) &&
  hostId % USERS_OF_POD === 0 &&
  hostId >= USERS_OF_POD &&
  hostId <= ID_END;

const fileOf = (paths: PodPaths, podUid: string): string => join(podDir(paths, podUid), "userns");

/** Whether the pod has users of its own (`hostUsers: false`). */
export const hasOwnUsers = ({ spec }: Pod): boolean => spec.hostUsers === false;

/**
 * The ids of pods with user namespaces (KEP-127): a range each, so that the users of two pods are
 * never the same on the node. A range is on disk, in the pod's directory, before a container runs
 * with it, and is the pod's until it has stopped.
 */
export class UserRanges {
  readonly #paths: PodPaths;
  readonly #options: UserRangesOptions;
  readonly #ranges = new Map<string, IdRange>();
  /** Ranges of pods of which the runtime may run something, whether or not they are on disk. */
  #held: readonly PodRange[];
  /** Why a pod cannot have the range that is on disk for it. */
  readonly #refused = new Map<string, CodedError>();

  private constructor(paths: PodPaths, options: UserRangesOptions, held: readonly PodRange[]) {
    this.#paths = paths;
    this.#options = options;
    this.#held = held;
  }

  /**
   * Reads the ranges of pods that exist, on disk and in the runtime, of which those on disk may be
   * lost or wrong: a pod whose own is wrong gets an error later, by itself. Throws UserRangeError.
   */
  static async open(
    paths: PodPaths,
    options: UserRangesOptions,
    runtime: Parameters<typeof heldRanges>[0],
  ): Promise<UserRanges> {
    const { first, pods } = options;
    if (first < USERS_OF_POD || first % USERS_OF_POD || first + pods * USERS_OF_POD > ID_END) {
      const what = `users from ${first} on for ${pods} pods`;
      const message = `${what} are not multiples of ${USERS_OF_POD}, above the node's, in 32 bits`;
      throw new UserRangeError("InvalidUserRange", message);
    }
    const ranges = new UserRanges(paths, options, await heldRanges(runtime));
    for (const uid of await namesIn(podsDir(paths))) await ranges.#read(uid);
    for (const uid of ranges.#ranges.keys()) ranges.#checkOwn(uid);
    for (const uid of ranges.#refused.keys()) ranges.#ranges.delete(uid);
    return ranges;
  }

  /** Reads a pod's range; one that is damaged or no range of a pod is refused. */
  async #read(uid: string): Promise<void> {
    const file = fileOf(this.#paths, uid);
    try {
      const stored = await readCheckpointFile<IdRange>(file, REMEDY);
      if (stored === undefined) return;
      if (!isRange(stored)) throw refusal(`${file} has no range of ${USERS_OF_POD} users`);
      this.#ranges.set(uid, stored);
    } catch (thrown) {
      if (!(thrown instanceof CheckpointError || thrown instanceof UserRangeError)) throw thrown;
      this.#refused.set(uid, thrown);
    }
  }

  /** Refuses a pod's range on disk that another pod has too, unless the pod runs with it. */
  #checkOwn(uid: string): void {
    const own = this.#ranges.get(uid)!;
    const held = this.#held.filter(({ podUid }) => podUid === uid);
    const runs = held.some((range) => range.hostId === own.hostId && range.length === own.length);
    if (runs) return;
    const stored = [...this.#ranges].map(([podUid, range]) => ({ podUid, ...range }));
    const other = [...stored, ...this.#held].find((range) => {
      return range.podUid !== uid && overlap(range, own);
    });
    const file = fileOf(this.#paths, uid);
    if (other) this.#refused.set(uid, refusal(`${file} has users of the pod ${other.podUid}`));
    else if (held.length > 0) this.#refused.set(uid, refusal(`${file} is not what the pod has`));
  }

  /** Gives a pod with `hostUsers: false` its range, durably; one that has it keeps it. */
  async allocate(pod: Pod): Promise<void> {
    const uid = uidOf(pod);
    if (!hasOwnUsers(pod) || this.#ranges.has(uid)) return;
    this.#requireRight(uid);
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
    const { first, pods, others } = this.#options;
    const taken = [...this.#ranges.values(), ...this.#held, ...others];
    for (let index = 0; index < pods; index++) {
      const hostId = first + index * USERS_OF_POD;
      const range = { hostId, length: USERS_OF_POD };
      if (!taken.some((each) => overlap(each, range))) return hostId;
    }
    const message = `all ${pods} ranges of users for pods with hostUsers: false are in use`;
    throw new UserRangeError("NoUserRange", message, { remedy: NO_RANGE_REMEDY });
  }

  #requireRight(uid: string): void {
    const refused = this.#refused.get(uid);
    if (refused !== undefined) throw refused;
    if (this.#ranges.has(uid) || !this.#held.some(({ podUid }) => podUid === uid)) return;
    throw refusal(`the range of the running pod ${uid} is not in its directory`);
  }

  /** The user namespace of a pod; undefined for one with the node's users. */
  of(pod: Pod): Init<UserNamespace> | undefined {
    if (!hasOwnUsers(pod)) return undefined;
    this.#requireRight(uidOf(pod));
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
    this.#refused.delete(podUid);
    this.#held = this.#held.filter((range) => range.podUid !== podUid);
  }
}
