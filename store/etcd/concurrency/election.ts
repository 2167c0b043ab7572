import {
  type CampaignRequest,
  type CampaignResponse,
  Event_EventType as EventType,
  type KeyValue,
  type LeaderKey,
  type LeaderRequest,
  type LeaderResponse,
  type ProclaimRequest,
  type ProclaimResponse,
  type ResignRequest,
  type ResignResponse,
  type ResponseHeader,
  WatchCreateRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import type { EtcdContext } from "../request/context.ts";
import {
  always,
  type Contender,
  concurrencyError,
  contendersOf,
  enter,
  first,
  leave,
  orLeave,
  propose,
  sessionLease,
  waitForTurn,
} from "./contender.ts";
import { cancelled, watchKeys } from "./watch-keys.ts";

type Ending = Pick<Call, "signal">;

/**
 * Election.Campaign (etcd's v3electionpb). Blocks until the caller's lease leads the election
 * `name` with its value. A call that ends before gives its place up.
 */
export async function campaign(
  context: EtcdContext,
  { name, lease, value }: CampaignRequest,
  { signal }: Ending,
): Promise<CampaignResponse> {
  const held = await sessionLease(context, lease);
  const { contender, value: entered, isFirst, header } = await enter(context, name, held, value);
  const { key, rev } = contender;
  const elected = { header, leader: { name, key, rev, lease: held } };
  if (!entered.equals(value)) {
    await orLeave(context, contender, always, async () => {
      if (!(await propose(context, contender, value))) throw notLeader();
    });
  }
  if (isFirst) return elected;
  // A candidate whose call fails otherwise stays one, as with etcd: its client may call again.
  const ended = () => signal.aborted;
  await orLeave(context, contender, ended, async () => {
    await waitForTurn(context, name, contender, signal);
    if (signal.aborted) throw cancelled();
  });
  return elected;
}

/** Election.Proclaim: the leader changes its value without another election. */
export async function proclaim(
  context: EtcdContext,
  { leader, value }: ProclaimRequest,
): Promise<ProclaimResponse> {
  const header = await propose(context, await resumed(context, leader), value);
  if (!header) throw notLeader();
  return { header };
}

/** Election.Resign: the leader gives the election up. */
export const resign = async (
  context: EtcdContext,
  { leader }: ResignRequest,
): Promise<ResignResponse> => ({ header: await leave(context, await resumed(context, leader)) });

/** Election.Leader: the present leader's key and value. */
export async function leader(
  context: EtcdContext,
  { name }: LeaderRequest,
): Promise<LeaderResponse> {
  const { kv, header } = await first(context, name);
  if (!kv) throw concurrencyError("election: no leader");
  return { header, kv };
}

/**
 * Election.Observe: each leader, and each value that it proclaims, in their order, until the call
 * ends. Values that were replaced before they could be read are left out.
 */
export async function* observe(
  context: EtcdContext,
  { name }: LeaderRequest,
  { signal }: Ending,
): AsyncGenerator<LeaderResponse> {
  while (!signal.aborted) {
    const found = await leaderFrom(context, name, signal);
    yield found;
    const { key } = found.kv;
    const startRevision = found.header.revision + 1;
    const create = { ...WatchCreateRequest.create(), key, startRevision };
    following: for await (const { header, events } of watchKeys(context, create, signal)) {
      for (const { type, kv } of events) {
        if (type === EventType.DELETE) break following;
        yield { header, kv };
      }
    }
  }
}

/** The leader, or the first that there will be. */
async function leaderFrom(
  context: EtcdContext,
  name: Buffer,
  signal: AbortSignal,
): Promise<{ header: ResponseHeader; kv: KeyValue }> {
  const { kv, header } = await first(context, name);
  if (kv) return { header, kv };
  const startRevision = header.revision + 1;
  const create = { ...WatchCreateRequest.create(), ...contendersOf(name), startRevision };
  for await (const { events } of watchKeys(context, create, signal)) {
    const put = events.find(({ type }) => type === EventType.PUT)?.kv;
    // One response may have events of several revisions: the next watch starts after this one.
    if (put) return { header: { ...header, revision: put.modRevision }, kv: put };
  }
  throw concurrencyError("election: no leader");
}

async function resumed(context: EtcdContext, of: LeaderKey | undefined): Promise<Contender> {
  if (!of) throw concurrencyError('"leader" field must be provided');
  const { key, rev } = of;
  return { key, rev, lease: await sessionLease(context, of.lease) };
}

const notLeader = () => concurrencyError("election: not leader");
