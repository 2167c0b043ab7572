import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { LeaseTimeToLiveRequest, LeaseTimeToLiveResponse } from "@raft2kube/proto/gen/etcd.ts";
import { checkRead, isAdmin } from "../../auth/authorize.ts";
import { header } from "../../mvcc/state/state.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";
import { type LeaderVerb, onLeader } from "../request/on-leader.ts";

/** Lease.LeaseTimeToLive: a TTL of -1 says that there is no such lease. */
export async function leaseTimeToLive(
  context: EtcdContext,
  request: LeaseTimeToLiveRequest,
): Promise<LeaseTimeToLiveResponse> {
  const response = await onLeader(context, leaseTimeToLiveVerb, request);
  await checkKeys(context, response);
  return { ...response, header: header(context.state) };
}

/** Throws unless the caller may read all keys of the lease. */
async function checkKeys(context: EtcdContext, { keys }: LeaseTimeToLiveResponse): Promise<void> {
  const { auth } = context.state;
  if (!auth.enabled || keys.length === 0) return;
  const caller = await context.identify();
  if (isAdmin(auth, caller)) return;
  for (const key of keys) checkRead(auth, caller, key);
}

/** The leader's clock decides: renewals are known to it alone. */
export const leaseTimeToLiveVerb: LeaderVerb<LeaseTimeToLiveRequest, LeaseTimeToLiveResponse> = {
  kind: "lease-time-to-live",
  request: LeaseTimeToLiveRequest,
  response: LeaseTimeToLiveResponse,
  here: lookHere,
};

async function lookHere(
  context: EtcdContext,
  request: LeaseTimeToLiveRequest,
): Promise<LeaseTimeToLiveResponse> {
  await readBarrier(context);
  return context.readTurns.run(context.client, () => look(context, request));
}

function look({ state, replica }: EtcdContext, request: LeaseTimeToLiveRequest) {
  const { ID } = request;
  if (!replica.raft.isLeader) throw etcdError("notLeader");
  const lease = state.leases.get(ID);
  if (!lease) return { header: header(state), ID, TTL: -1, grantedTTL: 0, keys: [] };
  const keys = request.keys ? [...lease.keys].sort().map((key) => Buffer.from(key, "latin1")) : [];
  const TTL = state.leaseTimers.remaining_s(ID);
  return { header: header(state), ID, TTL, grantedTTL: lease.ttl_s, keys };
}
