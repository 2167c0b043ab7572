import { EtcdError, STATUS } from "@raft2kube/client-etcd/errors.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { campaign, leader, proclaim, resign } from "./election.ts";
import { lock, unlock } from "./lock.ts";

type Verb<A extends readonly unknown[], R> = (...args: A) => Promise<R>;

/**
 * etcd's lock and election services call the store through a client, and pass its errors on
 * without their status: clients get UNKNOWN with the text.
 */
function withoutStatus<A extends readonly unknown[], R>(verb: Verb<A, R>): Verb<A, R> {
  return async (...args) => {
    try {
      return await verb(...args);
    } catch (thrown) {
      if (!(thrown instanceof EtcdError)) throw thrown;
      throw new RpcError(STATUS.UNKNOWN, thrown.message);
    }
  };
}

export const LOCK_VERBS = { lock: withoutStatus(lock), unlock: withoutStatus(unlock) };

/** The calls of the Election service with one response; `observe` is a stream. */
export const ELECTION_VERBS = {
  campaign: withoutStatus(campaign),
  proclaim: withoutStatus(proclaim),
  leader: withoutStatus(leader),
  resign: withoutStatus(resign),
};
