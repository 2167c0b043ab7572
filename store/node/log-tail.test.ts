import { ManualClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../../testing/disk/memory-disk.ts";
import { CORE_OPTIONS } from "../../testing/raft/limits.ts";
import { initialMembership } from "../core/membership.ts";
import { Raft } from "../core/raft.ts";
import { Wal } from "../wal/wal.ts";
import { cutLog } from "./log-tail.ts";

const FLUSHED = 10;
const LAST = 40;
const SNAPSHOT = 60;

test("S1: a snapshot whose record is not durable takes no entries from the log's files", () => {
  const disk = new MemoryDisk();
  const onFatal = (reason: unknown) => expect.fail(String(reason));
  const identity = { clusterId: 7n, memberId: 1n };
  const open = () => {
    return Wal.open({ disk, identity, onFatal, clock: new ManualClock(), segmentBytes: 1_024 });
  };
  const { wal } = open();
  const hardState = { term: 1, vote: 2n, commit: LAST };
  const entries = Array.from({ length: LAST }, (_, i) => {
    return { index: i + 1, term: 1, data: Buffer.alloc(100, i), change: undefined };
  });
  // One segment after the other, since each batch is in one.
  entries.forEach((entry, id) => {
    const state = id === 0 ? hardState : undefined;
    wal.append({ id, entries: [entry], hardState: state, snapshot: undefined }, () => undefined);
    disk.run();
  });
  const membership = initialMembership([1n, 2n, 3n]);
  const base = { index: 0, term: 0 };
  const restored = { hardState, base, entries, applied: FLUSHED, membership };
  const raft = new Raft({ id: 1n, random: seededRandom(1), ...CORE_OPTIONS }, restored);
  const mark = { index: SNAPSHOT, term: 1, membership };
  raft.step({ kind: "snapshot", from: 2n, to: 1n, term: 1, mark });
  expect(raft.state.log.base.index).toBe(SNAPSHOT);
  // A flush that started before ends now; the power fails before the snapshot's record is written.
  cutLog({ raft, wal }, { index: FLUSHED, term: 1, membership }, 0);
  disk.run();
  disk.powerCut(seededRandom(1));
  const { recovered } = open();
  expect(recovered.base.index).toBeGreaterThan(0);
  expect(recovered.base.index).toBeLessThanOrEqual(FLUSHED);
  expect(recovered.entries.at(-1)?.index).toBe(LAST);
});
