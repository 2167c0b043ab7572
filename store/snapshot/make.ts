import { readMeta } from "../mvcc/persist/flush/meta.ts";
import type { State } from "../mvcc/state/state.ts";
import type { SnapshotFolder } from "./folder.ts";
import { type SnapshotFile, writeSnapshot } from "./write.ts";

/** A snapshot file of the flushed state. */
export async function makeSnapshot(state: State, snapshots: SnapshotFolder): Promise<SnapshotFile> {
  const view = state.backend.snapshot();
  try {
    const { appliedIndex: index, appliedTerm: term } = await readMeta(view);
    const header = { index, term, clusterId: state.identity.clusterId };
    return await writeSnapshot(snapshots.outgoing(header), header, view);
  } finally {
    await view.close();
  }
}
