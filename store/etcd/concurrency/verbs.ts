import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Verb } from "../request/verb.ts";
import { campaign, leader, proclaim, resign } from "./election.ts";
import { lock, unlock } from "./lock.ts";

/**
 * etcd's lock and election services call the store through a client, and pass its errors on
 * without their status: clients get UNKNOWN with the text.
 */
export function rethrowWithoutStatus(thrown: unknown): never {
  if (thrown instanceof EtcdError) throw new RpcError(Status.UNKNOWN, thrown.message);
  throw thrown;
}

function withoutStatus<Q, R>(verb: Verb<Q, Promise<R>>): Verb<Q, Promise<R>> {
  const run: typeof verb.run = async (...args) => {
    try {
      return await verb.run(...args);
    } catch (thrown) {
      return rethrowWithoutStatus(thrown);
    }
  };
  return { ...verb, run };
}

export const LOCK_VERBS = {
  lock: withoutStatus({ run: lock, right: "keys" }),
  unlock: withoutStatus({ run: unlock, right: "applied" }),
};

/** The calls of the Election service with one response; `observe` is a stream. */
export const ELECTION_VERBS = {
  campaign: withoutStatus({ run: campaign, right: "keys" }),
  proclaim: withoutStatus({ run: proclaim, right: "applied" }),
  leader: withoutStatus({ run: leader, right: "keys" }),
  resign: withoutStatus({ run: resign, right: "applied" }),
};
