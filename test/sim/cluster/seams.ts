import type { Backend } from "@raft2kube/store/backend/backend.ts";
import type { Raft, Restored } from "@raft2kube/store/core/raft.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import type { Disk } from "@raft2kube/store/wal/disk.ts";
import type { Generation } from "./generation.ts";

/**
 * Where a mutant may reach into a member while it is put together. Without one nothing is changed.
 */
export interface Seams {
  /** Checkers that say nothing: what is left is for those that see the consequences. */
  silent?: readonly string[];
  /** The disk that the log writes to. */
  disk?: (disk: Disk) => Disk;
  /** Wraps a database to check the values that it returns. */
  checksums?: (raw: Backend) => Backend;
  /** The database that the state is written to. */
  backend?: (backend: Backend) => Backend;
  /** Receives the state found on disk, before the core is made from it. */
  restored?: (restored: Restored, state: State) => void;
  /** The core, before anything is stepped into it. */
  raft?: (raft: Raft) => void;
  /** The whole member, before it starts to tick. */
  generation?: (generation: Generation) => void;
}
