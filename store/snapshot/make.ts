import type { BackendSnapshot } from "../backend/backend.ts";
import { META_KEY, type Meta, decodeMeta } from "../mvcc/meta.ts";
import type { State } from "../mvcc/state.ts";
import type { SnapshotFolder } from "./folder.ts";
import { type SnapshotFile, writeSnapshot } from "./write.ts";

/** A snapshot file of what is on disk now. */
export async function makeSnapshot(state: State, snapshots: SnapshotFolder): Promise<SnapshotFile> {
  const view = state.backend.snapshot();
  try {
    const { appliedIndex: index, appliedTerm: term } = await metaOf(view);
    const header = { index, term, clusterId: state.identity.clusterId };
    return await writeSnapshot(snapshots.outgoing(header), header, view);
  } finally {
    await view.close();
  }
}

async function metaOf(view: BackendSnapshot): Promise<Meta> {
  const to = Buffer.concat([META_KEY, Buffer.from([0])]);
  for await (const [pair] of view.scan({ from: META_KEY, to })) {
    if (pair) return decodeMeta(pair[1]);
  }
  throw new RangeError("the backend has no record of the state");
}
