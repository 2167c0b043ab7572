import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { RpcServer } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import { authSetup } from "./auth/setup.ts";
import type { SnapshotMessage } from "./core/message.ts";
import { anonymous, type EtcdContext, proposeCommand } from "./etcd/request/context.ts";
import { ReadTurns } from "./etcd/request/read-turns.ts";
import { Serving } from "./etcd/request/serving.ts";
import {
  GRPC_OVERHEAD_BYTES,
  REMOVED_GRACE_MS,
  REQUEST_BYTES_MAX,
  SCRUB_INTERVAL_MS,
  TXN_OPERATIONS_MAX,
  WATCH_PROGRESS_INTERVAL_MS,
} from "./limits.ts";
import type { MemberMetrics } from "./metrics/member.ts";
import { Compactor } from "./mvcc/persist/compaction/compactor.ts";
import { ending, Flusher } from "./mvcc/persist/flush/flusher.ts";
import { writeIndex } from "./mvcc/persist/restore/index-file.ts";
import { WatchHub } from "./mvcc/watch/hub.ts";
import { STREAM_LIMITS, type StreamLimits } from "./mvcc/watch/stream-queue.ts";
import { AutoCompaction } from "./node/auto-compaction.ts";
import type { Backends } from "./node/backends.ts";
import { corruptMember } from "./node/corruption.ts";
import type { DiskReserve } from "./node/disk-reserve.ts";
import { handOver } from "./node/hand-over.ts";
import { install } from "./node/install.ts";
import { LeaseExpiry } from "./node/lease-expiry.ts";
import { cutLog, logTail } from "./node/log-tail.ts";
import { indexPath, type OpenedMember } from "./node/open.ts";
import { actOnOutcomes } from "./node/outcome.ts";
import { Quota, unlimitedSpace } from "./node/quota.ts";
import { RecordCheck } from "./node/record-check.ts";
import { Replica } from "./node/replica.ts";
import type { StoreOptions } from "./options.ts";
import { Scrub } from "./scrub/scrub.ts";
import type { SnapshotFolder } from "./snapshot/folder.ts";
import { makeSnapshot } from "./snapshot/make.ts";
import { SnapshotReceiver } from "./snapshot/receive.ts";
import { SnapshotSender } from "./snapshot/send.ts";
import { PEER_PROTOCOLS, type Self } from "./transport/hello.ts";
import { Peers } from "./transport/peers.ts";
import { soleMemberTransport, type Transport } from "./transport/transport.ts";

export type MachineOptions = StoreOptions & {
  clock: Clock;
  random: Random;
  backends: Backends;
  snapshots: SnapshotFolder;
  metrics: MemberMetrics;
  reserve?: DiskReserve | undefined;
};

/** The servers of a member: for clients, and for other members. */
export type Servers = { readonly clients: RpcServer[]; readonly peers: RpcServer[] };

/** The parts of a member, put together. */
export interface Machine {
  self: Self;
  transport: Transport;
  sender: SnapshotSender;
  receiver: SnapshotReceiver;
  replica: Replica;
  flusher: Flusher;
  compactor: Compactor;
  watches: WatchHub;
  expiry: LeaseExpiry;
  scrub: Scrub;
  recordCheck: RecordCheck;
  context: EtcdContext;
  /** Sets it going. */
  start(): Promise<void>;
  /** Closes the parts from the outside in; see `shutDown`. */
  close(servers: Servers): Promise<void>;
}

/** Puts the parts together. Nothing runs before `start`. */
export function assemble(
  opened: OpenedMember,
  options: MachineOptions,
  onFatal: (reason: unknown) => void,
): Machine {
  const { state, wal, raft } = opened;
  const { clock, random, peers, backends, snapshots, metrics } = options;
  const fail = (reason: unknown) => replica.fail(reason);
  const self = selfOf(opened, peers?.advertiseUrls ?? []);
  const sender = newSender(self, opened, options, () => replica);
  const onReceived = (message: SnapshotMessage) => replica.receive(message);
  const receiver = new SnapshotReceiver({ self, folder: snapshots, clock, metrics, onReceived });
  const transport = peers ? newPeers(self, options, sender, () => replica) : soleMemberTransport();
  const watches = new WatchHub(state, fail, streamLimits(options));
  const compactor = new Compactor(state, () => flusher.next(), fail, clock);
  const quota = Quota.of(options.quotaBackendBytes ?? 0, state, clock);
  const onAlarms = () => haltIfCorrupt(state, replica, clock);
  const onFlushed: ConstructorParameters<typeof Flusher>[2] = (flushed) => {
    const { appliedIndex: index, appliedTerm: term, membership, bytes } = flushed;
    const keep = logTail(raft, index, options.catchUpEntries_max);
    cutLog(opened, { index, term, membership }, keep);
    quota?.flushed(bytes);
  };
  const flusher = new Flusher(state, clock, onFlushed, fail);
  const onMembers = () => membersChanged(machine, clock);
  const parts = { state, flusher, compactor, watches, clock };
  const installing = { ...parts, backends, snapshots, onMembers, onAlarms };
  const replica = new Replica({
    ...{ raft, wal, state, clock, transport, session: randomInteger(random, 1, 2 ** 32) },
    ...{ onApplied: () => flusher.changed(), nextFlush: () => flusher.next() },
    onOutcome: actOnOutcomes({ watches, onCompacted: () => compactor.start(), onAlarms }),
    onLeadership: (leads) => expiry.leads(leads),
    onConflict: (conflict) => scrub.reportConflict(conflict),
    install: (mark) => install(installing, mark),
    dropSnapshot: (mark) => snapshots.drop(mark),
    ...{ onMembers, onFatal: ending(flusher, onFatal) },
    ...metrics.ofReplica(),
    ...{ timing: options.timing, requestBytes_max: options.requestBytes_max },
  });
  const expiry = new LeaseExpiry(state, replica, clock);
  const context: EtcdContext = {
    ...{ ...parts, replica, transport, metrics, quota: quota ?? unlimitedSpace },
    ...settingsOf(options),
    auth: authSetup(options.auth ?? {}, state, (index) => replica.untilApplied(index), clock),
    ...{ identify: anonymous, client: "", readTurns: new ReadTurns(clock) },
  };
  const scrub = new Scrub(context, options.corruptCheckInterval_ms ?? SCRUB_INTERVAL_MS);
  const progress = progressNotices(watches, clock, fail, options.watchProgressInterval_ms);
  const autoCompaction = newAutoCompaction(options, context);
  const machine: Machine = {
    ...{ self, transport, sender, receiver, replica, flusher, compactor, watches, expiry },
    ...{ scrub, context, recordCheck: new RecordCheck(state, compactor, fail) },
    async start() {
      await quota?.measure();
      progress.start();
      compactor.start();
      membersChanged(machine, clock);
      autoCompaction?.start();
      replica.start();
      scrub.start();
    },
    close(servers) {
      for (const part of [progress, autoCompaction]) part?.stop();
      return shutDown(machine, opened, options, servers);
    },
  };
  return machine;
}

/**
 * Bounds of a stream's messages: fragments are as large as a client's largest request, as etcd's.
 */
function streamLimits({ requestBytes_max = REQUEST_BYTES_MAX }: MachineOptions): StreamLimits {
  return { ...STREAM_LIMITS, fragmentBytes_max: requestBytes_max + GRPC_OVERHEAD_BYTES };
}

/** The options for the behaviour of verbs. */
const settingsOf = (options: MachineOptions) => ({
  reserve: options.reserve,
  listensForPeers: options.peers !== undefined,
  strictReconfiguration: options.looseReconfiguration !== true,
  transactionOperations_max: options.transactionOperations_max ?? TXN_OPERATIONS_MAX,
  initialCorruptCheck: options.initialCorruptCheck === true,
  serving: new Serving(options.stopsServiceOnDefragment === true),
  newLeaseId: () => randomLeaseId(options.random),
});

function newAutoCompaction(
  { autoCompaction, clock }: MachineOptions,
  context: EtcdContext,
): AutoCompaction | undefined {
  if (!autoCompaction) return undefined;
  const { state, replica } = context;
  const store = {
    revision: () => state.revision,
    leads: () => replica.raft.isLeader,
    compact: (revision: number) => {
      const request = { revision, physical: false };
      return proposeCommand<"compact">(context, { kind: "compact", request });
    },
  };
  return new AutoCompaction(autoCompaction, store, clock);
}

function selfOf({ state }: OpenedMember, advertised: string[]): Self {
  const { clusterId, memberId } = state.identity;
  return {
    protocols: PEER_PROTOCOLS,
    clusterId,
    memberId,
    peerURLs: () => state.members.get(memberId)?.peerURLs ?? advertised,
    isRemoved: (member) => state.members.isRemoved(member),
  };
}

function newSender(
  self: Self,
  { state, raft }: OpenedMember,
  { peers, clock, snapshots, metrics }: MachineOptions,
  replica: () => Replica,
): SnapshotSender {
  return new SnapshotSender({
    self,
    clock,
    tls: peers?.tls,
    metrics: metrics.peers,
    make: () => makeSnapshot(state, snapshots),
    isFresh: (index) => index >= raft.state.log.base.index,
    onEnd: (member, delivered) => replica().snapshotSent(member, delivered),
  });
}

function newPeers(
  self: Self,
  options: MachineOptions,
  sender: SnapshotSender,
  replica: () => Replica,
): Peers {
  return new Peers({
    self,
    tls: options.peers?.tls,
    clock: options.clock,
    metrics: options.metrics.peers,
    onUnreachable: (member) => replica().unreachable(member),
    onRemoved: (reason) => endRemoved(replica(), options.clock, reason),
    sendSnapshot: (message, to) => sender.send(message, to),
  });
}

/** Updates the streams to members; a removed member ends after its last answers have left. */
function membersChanged({ context, transport, self, replica }: Machine, clock: Clock): void {
  const members = context.state.members.values();
  transport.update(members.map(({ ID, peerURLs }) => ({ id: ID, urls: peerURLs })));
  if (!self.isRemoved(self.memberId)) return;
  endRemoved(replica, clock, `member ${self.memberId.toString(16)} was removed from the cluster`);
}

/**
 * Stops a corrupt member, after the apply that found it; the others have the alarm in their logs
 * already.
 */
function haltIfCorrupt(state: OpenedMember["state"], replica: Replica, clock: Clock): void {
  const corrupt = corruptMember(state);
  if (corrupt) clock.after(0, () => replica.fail(corrupt));
}

/**
 * Stops a removed member after a grace time, as it has to hand over if it leads; a replica fails
 * only once.
 */
function endRemoved(replica: Replica, clock: Clock, reason: string): void {
  const remedy = "its data directory is of no more use: to come back, be added as a new member";
  const error = new CodedError("MEMBER_REMOVED", reason, { remedy });
  clock.after(REMOVED_GRACE_MS, () => replica.fail(error));
}

/** 63 bits, never 0, which means no lease. */
function randomLeaseId(random: Random): bigint {
  const high = BigInt(randomInteger(random, 0, 2 ** 31));
  const low = BigInt(randomInteger(random, 1, 2 ** 32));
  return (high << 32n) | low;
}

function progressNotices(
  watches: WatchHub,
  clock: Clock,
  fail: (reason: unknown) => void,
  max_ms = WATCH_PROGRESS_INTERVAL_MS,
) {
  const report = (thrown?: unknown) => thrown !== undefined && fail(thrown);
  const runner = new Runner({ clock, max_ms, run: () => watches.notifyProgress(), report });
  return { start: () => runner.request(max_ms), stop: () => void runner.close() };
}

/**
 * Gives up the leadership first, while all still works; then closes from the outside in: no new
 * calls, no new entries, memory to disk, the files.
 */
async function shutDown(
  machine: Machine,
  { wal, state, mark }: OpenedMember,
  { dataDir, reserve }: MachineOptions,
  { clients, peers }: Servers,
): Promise<void> {
  machine.expiry.stop();
  const { scrub, recordCheck } = machine;
  const checked = Promise.all([scrub.stop(), recordCheck.stop(), reserve?.close()]);
  await handOver(machine.replica);
  machine.watches.close(etcdError("stopped"));
  machine.context.serving.end();
  // Calls under way are answered: one that wrote, and was cut short, cannot be made again.
  await Promise.all(clients.map((server) => server.close()));
  machine.replica.stop();
  await machine.context.auth.passwords.close();
  await Promise.all(peers.map((server) => server.close()));
  await machine.transport.close();
  await machine.sender.close();
  await checked;
  await machine.replica.installed();
  await machine.compactor.stop();
  await machine.flusher.stop();
  // A state that a failure left half changed is no state.
  if (!machine.replica.failed) writeIndex(indexPath(dataDir), state);
  await wal.close();
  await state.backend.close();
  mark.end();
}
