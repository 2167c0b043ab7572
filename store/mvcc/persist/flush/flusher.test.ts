import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { memoryBackend } from "../../../../testing/store/memory-backend.ts";
import type { BackendWrite } from "../../../backend/backend.ts";
import { initialMembership } from "../../../core/membership.ts";
import { FLUSH_INTERVAL_MS } from "../../../limits.ts";
import { notePending } from "../../state/state.ts";
import { Compactor } from "../compaction/compactor.ts";
import { restoreState } from "../restore/restore.ts";
import { Flusher } from "./flusher.ts";

test("S4: after a batch that failed there is no other: what it took would be missing", async () => {
  const clock = new ManualClock();
  const batches: BackendWrite[][] = [];
  const memory = memoryBackend();
  const membership = initialMembership([1n]);
  const bootstrap = { membership, members: [], base: { index: 1, term: 1 } };
  const identity = { clusterId: 7n, memberId: 1n };
  const state = await restoreState({ backend: memory, identity, clock, bootstrap });
  memory.writeBatch = (writes) => {
    batches.push([...writes]);
    return Promise.reject(new Error("ENOSPC: no space left on device"));
  };
  const failures: unknown[] = [];
  const failed = (reason: unknown) => failures.push(reason);
  const flusher = new Flusher(state, clock, () => undefined, failed);
  const applied = (key: string) => {
    notePending(state, Buffer.from(key), Buffer.from("value"));
    state.appliedIndex++;
    flusher.changed();
    clock.advance(FLUSH_INTERVAL_MS);
  };
  applied("lease/1");
  await flusher.settled();
  applied("lease/2");
  await flusher.stop();
  // Callers that wait for a flush are released.
  const compactor = new Compactor(state, () => flusher.next(), failed, clock);
  state.compactRevision = 1;
  compactor.start();
  let ended = false;
  const done = compactor.done().then(() => (ended = true));
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(ended).toBe(false);
  await compactor.stop();
  await done;
  expect(failures).toMatchObject([{ message: "ENOSPC: no space left on device" }]);
  expect(batches).toHaveLength(1);
});
