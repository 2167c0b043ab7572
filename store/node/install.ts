import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { SnapshotMark } from "../core/types.ts";
import type { Compactor } from "../mvcc/persist/compaction/compactor.ts";
import type { Flusher } from "../mvcc/persist/flush/flusher.ts";
import { restoreState } from "../mvcc/persist/restore/restore.ts";
import type { State } from "../mvcc/state/state.ts";
import type { WatchHub } from "../mvcc/watch/hub.ts";
import type { SnapshotFolder } from "../snapshot/folder.ts";
import type { Backends } from "./backends.ts";

export interface InstallOptions {
  state: State;
  backends: Pick<Backends, "load" | "retire">;
  snapshots: Pick<SnapshotFolder, "received" | "installed">;
  flusher: Flusher;
  compactor: Compactor;
  watches: WatchHub;
  clock: Clock;
  /** The members may have changed with the state. */
  onMembers: () => void;
  /** The alarms may have changed with the state. */
  onAlarms: () => void;
}

const log = logger("snapshot");

/**
 * Puts a received snapshot in the place of the state. The log's record of it is durable before this
 * starts: a crash in between leaves the file, from which the next start repeats it. Reads use the
 * old state until the new one is complete, and then the new one.
 */
export async function install(options: InstallOptions, mark: SnapshotMark): Promise<void> {
  const { state, backends, snapshots, flusher, compactor, watches, clock } = options;
  await compactor.pause();
  await flusher.pause();
  const { identity, backend: old, revision: before } = state;
  const backend = await backends.load(snapshots.received(mark), mark.index, identity);
  const nothing = { membership: mark.membership, members: [], base: mark };
  const fresh = await restoreState({ backend, identity, clock, bootstrap: nothing });
  // Tokens stay valid.
  const { tokens, metrics } = state;
  if (!fresh.auth.enabled) tokens.clear();
  Object.assign(state, fresh, { tokens, metrics });
  flusher.resume();
  watches.replaced(before);
  options.onMembers();
  options.onAlarms();
  log.info("installed a snapshot", { index: mark.index, revision: state.revision });
  // Reads from now on are of the new backend.
  await compactor.earlierReaders();
  await backends.retire(old);
  snapshots.installed(mark);
  compactor.resume();
}
