import type { Clock } from "@raft2kube/std/clock.ts";
import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { authSetup } from "@raft2kube/store/auth/setup.ts";
import type { Backend } from "@raft2kube/store/backend/backend.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { embeddedClient } from "@raft2kube/store/embedded.ts";
import { hashKv } from "@raft2kube/store/etcd/maintenance/hash-kv.ts";
import { anonymous, type EtcdContext } from "@raft2kube/store/etcd/request/context.ts";
import { ReadTurns } from "@raft2kube/store/etcd/request/read-turns.ts";
import { Serving } from "@raft2kube/store/etcd/request/serving.ts";
import { TXN_OPERATIONS_MAX } from "@raft2kube/store/limits.ts";
import { MemberMetrics } from "@raft2kube/store/metrics/member.ts";
import { Compactor } from "@raft2kube/store/mvcc/persist/compaction/compactor.ts";
import { ending, Flusher } from "@raft2kube/store/mvcc/persist/flush/flusher.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import { WatchHub } from "@raft2kube/store/mvcc/watch/hub.ts";
import { install } from "@raft2kube/store/node/install.ts";
import { LeaseExpiry } from "@raft2kube/store/node/lease-expiry.ts";
import { cutLog } from "@raft2kube/store/node/log-tail.ts";
import { actOnOutcomes } from "@raft2kube/store/node/outcome.ts";
import { unlimitedSpace } from "@raft2kube/store/node/quota.ts";
import { Replica } from "@raft2kube/store/node/replica.ts";
import type { Timing } from "@raft2kube/store/node/timing.ts";
import { Scrub } from "@raft2kube/store/scrub/scrub.ts";
import { soleMemberTransport } from "@raft2kube/store/transport/transport.ts";
import type { Wal } from "@raft2kube/store/wal/wal.ts";
import { SCRUB_INTERVAL_MS, STREAM_LIMITS } from "../limits.ts";
import type { Power } from "../world/power.ts";
import type { Generation } from "./generation.ts";
import type { LogCutting } from "./member.ts";

export interface Parts {
  number: number;
  raft: Raft;
  wal: Wal;
  state: State;
  clock: Clock;
  random: Random;
  timing: Timing;
  cutting: LogCutting;
  power: Power;
  send: (messages: Message[]) => void;
  ask: (to: MemberId, kind: string, body: Buffer) => Promise<Buffer>;
  /** Makes a database from the state received at an index. */
  load: (index: number) => Promise<Backend>;
  /** A received state is in use. */
  installed: (mark: { index: number }) => void;
  /** A received state will not be used: a newer one has come, or the log has it all. */
  dropSnapshot: (mark: { index: number }) => void;
  onApplied: () => void;
  onAlarms: () => void;
  onFatal: (reason: unknown) => void;
}

/** Puts a member's parts together as the store's `main.ts` does, without a server. */
export function assemble(parts: Parts): Generation {
  const { raft, wal, state, clock, random, number, power, onAlarms } = parts;
  addMoments(parts);
  const fail = (reason: unknown) => replica.fail(reason);
  const watches = new WatchHub(state, fail, STREAM_LIMITS);
  const compactor = new Compactor(state, () => flusher.next(), fail, clock);
  const onCompacted = () => {
    power.pass("before", "compaction");
    compactor.start();
    power.pass("after", "compaction");
  };
  const flusher = new Flusher(state, clock, logCutter(parts), fail);
  const transport = { ...soleMemberTransport(), send: parts.send, ask: parts.ask };
  const session = randomInteger(random, 1, 2 ** 32);
  const installing = {
    ...{ state, flusher, compactor, watches, clock },
    backends: {
      load: (_file: string, index: number) => parts.load(index),
      retire: () => Promise.resolve(),
    },
    snapshots: { received: () => "received", installed: parts.installed },
    ...{ onMembers: () => undefined, onAlarms },
  };
  const replica = new Replica({
    ...{ raft, wal, state },
    ...{ clock, timing: parts.timing },
    transport,
    session,
    onMembers: () => undefined,
    install: (mark) => install(installing, mark),
    dropSnapshot: parts.dropSnapshot,
    onApplied: () => {
      parts.onApplied();
      flusher.changed();
    },
    nextFlush: () => flusher.next(),
    onOutcome: actOnOutcomes({ watches, onCompacted, onAlarms }),
    onLeadership: (leads) => expiry.leads(leads),
    onConflict: (conflict) => scrub.reportConflict(conflict),
    onFatal: ending(flusher, parts.onFatal),
  });
  const expiry = new LeaseExpiry(state, replica, clock);
  const context: EtcdContext = {
    ...{ state, replica, compactor, flusher, watches, clock, transport },
    transactionOperations_max: TXN_OPERATIONS_MAX,
    quota: unlimitedSpace,
    ...{ listensForPeers: true, strictReconfiguration: true },
    ...{ initialCorruptCheck: false, serving: new Serving(false) },
    newLeaseId: () => BigInt(randomInteger(random, 1, 2 ** 48)),
    auth: authSetup({}, state, (index) => replica.untilApplied(index), clock),
    ...{ identify: anonymous, client: "", metrics: new MemberMetrics({}, clock) },
    readTurns: new ReadTurns(clock),
  };
  const client = embeddedClient(context);
  const scrub = new Scrub({ ...context, state: knowingMembers(state) }, SCRUB_INTERVAL_MS);
  const own = { number, session, raft, wal, state, flusher, compactor, watches, replica };
  const whole = { ...own, expiry, scrub, context, client };
  return { ...whole, hashKv: (revision) => hashKv(context, { revision }) };
}

/** The operator changes members by Raft alone: adds them to the state as the API would. */
function knowingMembers(state: State): State {
  const values = () => {
    const { voters, learners } = state.membership;
    return [...voters, ...learners].map((ID) => ({ ID }));
  };
  return Object.create(state, { members: { value: { values } } }) as State;
}

type OnFlushed = ConstructorParameters<typeof Flusher>[2];

/** Cuts the log after a flush, not more often than is wished. */
function logCutter({ raft, wal, power, cutting }: Parts): OnFlushed {
  let cutAt = raft.state.snapshotIndex;
  return ({ appliedIndex: index, appliedTerm: term, membership }) => {
    if (index - cutAt < cutting.every) return;
    cutAt = index;
    power.pass("before", "log compaction");
    cutLog({ raft, wal }, { index, term, membership }, cutting.keep);
    power.pass("after", "log compaction");
  };
}

/** Lets power fail around what the core does as it applies. */
function addMoments({ raft, power }: Parts): void {
  const ready = raft.ready.bind(raft);
  const appliedTo = raft.appliedTo.bind(raft);
  const applyChange = raft.applyChange.bind(raft);
  raft.ready = () => {
    const result = ready();
    if (result && result.committed.length > 0) power.pass("before", "commit");
    return result;
  };
  raft.appliedTo = (index, bytes) => {
    appliedTo(index, bytes);
    power.pass("after", "commit");
  };
  raft.applyChange = (change) => {
    power.pass("before", "membership change");
    const membership = applyChange(change);
    power.pass("after", "membership change");
    return membership;
  };
}
