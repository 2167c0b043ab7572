import type { LeaseLeasesResponse } from "@raft2kube/proto/gen/etcd.ts";
import { checkLeaseReads, checkUser } from "../../auth/authorize.ts";
import type { Caller } from "../../auth/caller.ts";
import { header } from "../../mvcc/state/state.ts";
import { readAllowed } from "../request/caller.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";

/** Lease.LeaseLeases: the ids of all leases, those first that end first. */
export async function leaseLeases(context: EtcdContext): Promise<LeaseLeasesResponse> {
  const { state } = context;
  await readBarrier(context);
  const allowed = (caller?: Caller) => {
    checkUser(state.auth, caller);
    for (const { id } of state.leases.values()) checkLeaseReads(state, caller, id);
  };
  const turn = () => context.readTurns.run(context.client, () => list(context));
  return readAllowed(context, allowed, turn);
}

function list({ state }: EtcdContext): LeaseLeasesResponse {
  const ids = [...state.leases.values()].map(({ id }) => id);
  const left = new Map(ids.map((id) => [id, state.leaseTimers.remaining_s(id)]));
  ids.sort((a, b) => left.get(a)! - left.get(b)!);
  return { header: header(state), leases: ids.map((ID) => ({ ID })) };
}
