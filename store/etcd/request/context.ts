import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { beginSpan } from "@raft2kube/observe/trace/tracer.ts";
import { AlarmRequest_AlarmAction as Action, AlarmType } from "@raft2kube/proto/gen/etcd.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Caller } from "../../auth/caller.ts";
import type { AuthSetup } from "../../auth/setup.ts";
import type { MemberMetrics } from "../../metrics/member.ts";
import type { Command, CommandKind } from "../../mvcc/apply/command.ts";
import type { Responses } from "../../mvcc/apply/responses.ts";
import { spaceCost } from "../../mvcc/apply/space-cost.ts";
import type { Compactor } from "../../mvcc/persist/compaction/compactor.ts";
import type { Flusher } from "../../mvcc/persist/flush/flusher.ts";
import type { State } from "../../mvcc/state/state.ts";
import type { WatchHub } from "../../mvcc/watch/hub.ts";
import type { DiskReserve } from "../../node/disk-reserve.ts";
import type { SpaceLimit } from "../../node/quota.ts";
import type { Replica } from "../../node/replica.ts";
import type { Transport } from "../../transport/transport.ts";
import type { ReadTurns } from "./read-turns.ts";
import type { Serving } from "./serving.ts";

/** The environment of the verbs. */
export interface EtcdContext {
  readonly state: State;
  readonly replica: Replica;
  readonly compactor: Compactor;
  readonly flusher: Pick<Flusher, "settled">;
  readonly watches: WatchHub;
  readonly readTurns: ReadTurns;
  readonly clock: Clock;
  readonly quota: SpaceLimit;
  /** Reserve of the disk, where this member keeps one. */
  readonly reserve?: DiskReserve | undefined;
  readonly metrics: MemberMetrics;
  readonly transactionOperations_max: number;
  readonly transport: Transport;
  /** Whether other members can reach this one. */
  readonly listensForPeers: boolean;
  /** etcd's --strict-reconfig-check: no change of members that could cost the quorum. */
  readonly strictReconfiguration: boolean;
  /** Whether this member compared its data with the others' before it served. */
  readonly initialCorruptCheck: boolean;
  readonly serving: Serving;
  /** A random 63-bit id, for leases whose client chose none. */
  readonly newLeaseId: () => bigint;
  readonly auth: AuthSetup;
  /** Returns the user of the request; rejects an invalid token. Called while auth is enabled. */
  readonly identify: () => Promise<Caller | undefined>;
  /** The address of the request's client; empty for Unix sockets and this process' own requests. */
  readonly client: string;
}

/** Identifies the caller of a request that shows nothing for itself. */
export const anonymous = (): Promise<undefined> => Promise.resolve(undefined);

type CommandOf<K extends CommandKind> = Extract<Command, { kind: K }>;

/**
 * Takes a command through the log; resolves with its answer, rejects with etcd's error. One for
 * which there is no space raises the alarm instead.
 */
export function proposeCommand<K extends CommandKind>(
  context: EtcdContext,
  command: CommandOf<K>,
): Promise<Responses[K]> {
  if (!context.quota.admits(command)) return refuseForSpace(context);
  // No alarm: unlike the backend's, this lack ends by itself once space is freed.
  const admitted = spaceCost(command) === 0 || context.reserve?.hasSpace() !== false;
  if (!admitted) return Promise.reject(etcdError("noSpace"));
  if (!context.state.auth.enabled) return propose(context, command);
  return context.identify().then((caller) => {
    const known: Command = { ...command, caller };
    return propose(context, known) as Promise<Responses[K]>;
  });
}

/** Statuses of proposals that were not applied, or not in time. */
const FAILURES: readonly number[] = [Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED];

/**
 * Takes a command of this leader's own through the log, while it leads in this term; rejects with
 * etcd's "leader changed" where it does no longer.
 */
export function proposeInTerm<K extends CommandKind>(
  { replica }: EtcdContext,
  command: CommandOf<K>,
): Promise<Responses[K]> {
  return new Promise((resolve, reject) => {
    replica.proposeInTerm(command, (outcome) => {
      if (outcome.error) reject(outcome.error);
      else resolve(outcome.response as Responses[K]);
    });
  });
}

/** Takes a command of the member itself through the log: no quota, no caller. */
export function propose<K extends CommandKind>(
  context: EtcdContext,
  command: Command,
): Promise<Responses[K]> {
  // From the proposal until it is applied: the log, the other members, the state.
  const span = beginSpan("propose");
  return new Promise((resolve, reject) => {
    context.replica.propose(command, (outcome) => {
      span?.end();
      if (outcome.error) {
        if (FAILURES.includes(outcome.error.status)) context.metrics.proposalFailed();
        reject(outcome.error);
      } else resolve(outcome.response as Responses[K]);
    });
  });
}

async function refuseForSpace(context: EtcdContext): Promise<never> {
  const { state } = context;
  const own = { memberID: state.identity.memberId, alarm: AlarmType.NOSPACE };
  if (!state.alarms.isOn(own)) {
    const request = { ...own, action: Action.ACTIVATE };
    await propose<"alarm">(context, { kind: "alarm", request });
  }
  throw etcdError("noSpace");
}

/** Waits until a read here is linearizable. */
export function readBarrier(context: EtcdContext): Promise<void> {
  return new Promise((resolve, reject) => {
    context.replica.readBarrier((error) => (error ? reject(error) : resolve()));
  });
}
