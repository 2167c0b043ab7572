import { createHash } from "node:crypto";
import { join } from "node:path";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { Backend } from "../backend/backend.ts";
import { initialMembership } from "../core/membership.ts";
import { Raft, type Restored } from "../core/raft.ts";
import {
  APPEND_BYTES_MAX,
  APPLY_BATCH_BYTES_MAX,
  ELECTION_TICKS,
  HEARTBEAT_TICKS,
  INFLIGHT_APPENDS_MAX,
  INFLIGHT_BYTES_MAX,
  PENDING_READS_MAX,
  UNCOMMITTED_BYTES_MAX,
} from "../limits.ts";
import { META_KEY, decodeMeta } from "../mvcc/meta.ts";
import { restoreState } from "../mvcc/restore.ts";
import type { Identity, State } from "../mvcc/state.ts";
import { machineDisk } from "../wal/disk.ts";
import type { LogWriteError } from "../wal/errors.ts";
import type { RecoveredLog } from "../wal/recover.ts";
import { Wal } from "../wal/wal.ts";

export interface OpenOptions {
  dataDir: string;
  backend: Backend;
  /** The member's name and the cluster's token: what a new member's ids are made from. */
  name: string;
  token: string;
  clock: Clock;
  random: Random;
  onFatal: (reason: LogWriteError) => void;
}

export interface OpenedMember {
  state: State;
  wal: Wal;
  raft: Raft;
}

/** Reads a member's backend and log, checks that they fit, and makes its core from them. */
export async function openMember(options: OpenOptions): Promise<OpenedMember> {
  const { backend, clock, random, onFatal } = options;
  const identity = identityOf(options);
  const bootstrap = initialMembership([identity.memberId]);
  const state = await restoreState({ backend, identity, clock, bootstrap });
  const disk = machineDisk(join(options.dataDir, "member", "wal"));
  const { wal, recovered } = Wal.open({ disk, identity, onFatal });
  const restored = fit(state, recovered);
  const raft = new Raft(
    {
      id: identity.memberId,
      random,
      electionTicks: ELECTION_TICKS,
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
  return { state, wal, raft };
}

/** The ids in the backend, else new ones: 64 bits of a hash, as etcd makes them. */
function identityOf({ backend, name, token }: OpenOptions): Identity {
  const stored = backend.getSync(META_KEY);
  if (stored) return decodeMeta(stored);
  const id = (text: string) => {
    const hash = createHash("sha1").update(text).digest().readBigUInt64BE(0);
    return hash === 0n ? 1n : hash;
  };
  const memberId = id(`member\0${name}\0${token}`);
  return { memberId, clusterId: id(`cluster\0${memberId.toString(16)}\0${token}`) };
}

const ANEW = "restore it, or add this member anew with an empty data directory";

/** The log must go on where the state ends (S4): both missing ends are refused. */
function fit(state: State, log: RecoveredLog): Restored {
  const { appliedIndex: applied, appliedTerm, membership } = state;
  const last = log.base.index + log.entries.length;
  if (last < applied) {
    throw new CodedError("LOG_LOST", `the log ends at ${last}, the state is at ${applied}`, {
      remedy: `the log was lost or replaced: ${ANEW}`,
    });
  }
  if (log.base.index > applied) {
    const message = `the log begins after ${log.base.index}, the state is at ${applied}`;
    throw new CodedError("STATE_LOST", message, {
      remedy: `the backend was lost or replaced: ${ANEW}`,
    });
  }
  return {
    hardState: log.hardState,
    base: { index: applied, term: appliedTerm },
    entries: log.entries.slice(applied - log.base.index),
    applied,
    membership,
  };
}
