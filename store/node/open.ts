import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { Backend } from "../backend/backend.ts";
import { Raft, type Restored } from "../core/raft.ts";
import { type LogBase, NONE } from "../core/types.ts";
import {
  APPEND_BYTES_MAX,
  APPLY_BATCH_BYTES_MAX,
  HEARTBEAT_TICKS,
  INFLIGHT_APPENDS_MAX,
  INFLIGHT_BYTES_MAX,
  PENDING_READS_MAX,
  UNCOMMITTED_BYTES_MAX,
} from "../limits.ts";
import type { MemberMetrics } from "../metrics/member.ts";
import { decodeMeta, META_KEY, type Meta } from "../mvcc/persist/flush/meta.ts";
import { restoreState } from "../mvcc/persist/restore/restore.ts";
import type { State } from "../mvcc/state/state.ts";
import type { SnapshotFolder } from "../snapshot/folder.ts";
import { machineDisk } from "../wal/disk.ts";
import type { LogWriteError } from "../wal/errors.ts";
import type { RecoveredLog } from "../wal/recover.ts";
import { Wal } from "../wal/wal.ts";
import type { Backends } from "./backends.ts";
import type { Bootstrap } from "./bootstrap.ts";
import { corruptMember } from "./corruption.ts";
import { becomeSole } from "./force-new-cluster.ts";
import { OpenMark } from "./open-mark.ts";
import type { Timing } from "./timing.ts";

export interface OpenOptions {
  dataDir: string;
  backends: Backends;
  snapshots: SnapshotFolder;
  /** Returns the identity and membership of a member without state. */
  bootstrap: () => Promise<Bootstrap>;
  forceNewCluster: boolean;
  /** The folder of the log. Default below `dataDir`. */
  walDir: string | undefined;
  metrics: MemberMetrics;
  timing: Timing;
  clock: Clock;
  random: Random;
  onFatal: (reason: LogWriteError) => void;
}

export interface OpenedMember {
  state: State;
  wal: Wal;
  raft: Raft;
  /** The mark beside an open database; removed when the database is closed. */
  mark: OpenMark;
}

/** Where a clean stop leaves the index for the next start. */
export const indexPath = (dataDir: string): string => join(dataDir, "member", "index");

/** Reads a member's backend and log, checks that they fit, and makes its core from them. */
export async function openMember(options: OpenOptions): Promise<OpenedMember> {
  const mark = new OpenMark(options.dataDir);
  mark.begin();
  try {
    const opened = await openMarked(options, mark);
    mark.running();
    return { ...opened, mark };
  } catch (thrown) {
    mark.end();
    throw thrown;
  }
}

async function openMarked(options: OpenOptions, mark: OpenMark) {
  const opening = { backend: await options.backends.open() };
  try {
    // Without state it gets its id from the other members: that may take long, and reads no data.
    if (!opening.backend.getSync(META_KEY)) mark.end();
    return await openWith(options, opening);
  } catch (thrown) {
    await opening.backend.close();
    throw thrown;
  }
}

/** `opening` names the backend in use, which a snapshot may have to replace. */
async function openWith(options: OpenOptions, opening: { backend: Backend }) {
  const { clock, onFatal } = options;
  const { backend } = opening;
  const stored = backend.getSync(META_KEY);
  const known = stored ? decodeMeta(stored) : undefined;
  const born = known ? undefined : await options.bootstrap();
  const { memberId, clusterId } = known ?? born!.identity;
  const identity = { memberId, clusterId };
  const folder = options.walDir ?? join(options.dataDir, "member", "wal");
  const disk = options.metrics.disk(machineDisk(folder));
  const { wal, recovered } = Wal.open({ disk, identity, clock, onFatal });
  // The log first: a backend that says where the log starts must find it there.
  if (born && recovered.segments.length === 0) await beginLog(wal, recovered, born);
  const members = born?.members ?? [];
  if (known) await finishInstall(options, opening, known, recovered.base);
  const membership = known?.membership ?? born!.membership;
  const base = born?.base ?? { index: 0, term: 0 };
  const state = await restoreState({
    backend: opening.backend,
    identity,
    clock,
    bootstrap: { membership, members, base },
    indexPath: indexPath(options.dataDir),
  });
  const fitting = fit(state, recovered);
  const corrupt = options.forceNewCluster ? undefined : corruptMember(state);
  if (corrupt) throw corrupt;
  const restored = options.forceNewCluster && known ? becomeSole(state, fitting) : fitting;
  return { state, wal, raft: newRaft(memberId, options, restored) };
}

function newRaft(id: bigint, { random, timing }: OpenOptions, restored: Restored): Raft {
  return new Raft(
    {
      id,
      random,
      electionTicks: timing.electionTicks,
      heartbeatTicks: HEARTBEAT_TICKS,
      appendBytes_max: APPEND_BYTES_MAX,
      inflightAppends_max: INFLIGHT_APPENDS_MAX,
      inflightBytes_max: INFLIGHT_BYTES_MAX,
      uncommittedBytes_max: UNCOMMITTED_BYTES_MAX,
      applyBytes_max: APPLY_BATCH_BYTES_MAX,
      pendingReads_max: PENDING_READS_MAX,
    },
    restored,
  );
}

/**
 * The log starts after a received snapshot whose installation a crash prevented: it is installed
 * now.
 */
async function finishInstall(
  { backends, snapshots }: OpenOptions,
  opening: { backend: Backend },
  known: Meta,
  base: { index: number; term: number | undefined },
): Promise<void> {
  const file = snapshots.received({ index: base.index, term: base.term ?? 0 });
  if (base.index > known.appliedIndex && existsSync(file)) {
    const old = opening.backend;
    opening.backend = await backends.load(file, base.index, known);
    await backends.retire(old);
  }
  snapshots.clean();
}

/** Writes after which entry a new member's log starts. */
export async function beginLog(wal: Wal, log: RecoveredLog, { base, membership }: Bootstrap) {
  if (base.index === 0) return;
  const { index, term } = base;
  const hardState = { term, vote: NONE, commit: index };
  const snapshot = { index, term, membership };
  const write = { id: 0, hardState, entries: [], snapshot };
  await new Promise<void>((resolve) => wal.append(write, resolve));
  log.base = base;
  log.hardState = hardState;
}

const REPLACE_MEMBER = "restore it, or add this member again with an empty data directory";

/** The log must continue where the state ends (S4): both missing ends are refused. */
export function fit(state: State, log: RecoveredLog): Restored {
  const { appliedIndex: applied, membership } = state;
  const last = log.base.index + log.entries.length;
  if (last < applied) {
    throw new CodedError("LOG_LOST", `the log ends at ${last}, the state is at ${applied}`, {
      remedy: `the log was lost or replaced: ${REPLACE_MEMBER}`,
    });
  }
  if (log.base.index > applied) {
    const message = `the log begins after ${log.base.index}, the state is at ${applied}`;
    throw new CodedError("STATE_LOST", message, {
      remedy: `the backend was lost or replaced: ${REPLACE_MEMBER}`,
    });
  }
  const base = baseOf(state, log);
  const entries = log.entries.slice(base.index - log.base.index);
  return { hardState: log.hardState, base, entries, applied, membership };
}

/**
 * Where the log in memory starts: entries that are applied already stay for followers that are
 * behind. Entry 1 is never sent: a member without it lacks the initial state too.
 */
function baseOf({ appliedIndex, appliedTerm, membership }: State, log: RecoveredLog): LogBase {
  const alone = membership.voters.length < 2 && membership.learners.length === 0;
  const { index, term } = log.base;
  if (appliedIndex === 0 || alone) return { index: appliedIndex, term: appliedTerm };
  if (index > 0 && term !== undefined) return { index, term };
  const first = log.entries[0];
  return first && first.index <= appliedIndex
    ? { index: first.index, term: first.term }
    : { index: appliedIndex, term: appliedTerm };
}
