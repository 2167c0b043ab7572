import type { Call } from "@raft2kube/rpc/server.ts";
import type { EtcdContext } from "./context.ts";

/**
 * The right that a verb takes while auth is on: `user` any user, `admin` the role root. The others
 * are checked elsewhere: `keys` by the permissions for the keys of the request, `applied` when the
 * command is applied, `own` by the verb, for a user's own user and roles; `none` takes none.
 */
export type Right = "user" | "admin" | "keys" | "applied" | "own" | "none";

/**
 * The signal that is aborted when a call ends before its response, which most verbs ignore, and the
 * address of its client.
 */
export type Ending = Pick<Call, "signal"> & Partial<Pick<Call, "peer">>;

/** An RPC: its work, and the rights and conditions that it needs. `R` is the result of `run`. */
export interface Verb<Q, R> {
  readonly run: (context: EtcdContext, request: Q, ending: Ending) => R;
  readonly right: Right | ((request: Q) => Right);
  /** Whether a learner answers it. Default never. */
  readonly onLearner?: (request: Q) => boolean;
  /** Whether a read barrier comes before the right is checked. Default never. */
  readonly linearizable?: (request: Q) => boolean;
}
