import { type EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { NONE } from "../../core/types.ts";
import { NO_LEADER_ELECTIONS_MAX } from "../../limits.ts";
import type { Replica } from "../../node/replica.ts";
import { election_ms } from "../../node/timing.ts";
import type { EtcdContext } from "../request/context.ts";

/** Whether a client wants an error rather than a wait when the member has no leader. */
const wantsLeader = (call: Call): boolean => call.metadata.get("hasleader")[0] === "true";

/**
 * Checks every RPC first: a learner serves few of them, and a request that requires a leader fails
 * on a member without one. Throws etcd's errors.
 */
export function admit({ state, replica }: EtcdContext, call: Call, onLearner: boolean): void {
  const isLearner = state.membership.learners.includes(state.identity.memberId);
  if (!onLearner && isLearner) throw etcdError("learnerUnsupported");
  if (wantsLeader(call) && replica.raft.state.leader === NONE) throw etcdError("noLeader");
}

/** Notifies streams that asked for it when the member had no leader for some elections. */
export class LeaderLoss {
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #timer: Timer | undefined;
  #elections = 0;

  constructor(replica: Replica, clock: Clock) {
    this.#replica = replica;
    this.#clock = clock;
  }

  /** Calls `lost` once, unless the returned function is called before. */
  listen(lost: () => void): () => void {
    this.#listeners.add(lost);
    this.#timer ??= this.#later();
    return () => {
      this.#listeners.delete(lost);
      if (this.#listeners.size === 0) this.stop();
    };
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#elections = 0;
  }

  #later(): Timer {
    return this.#clock.after(election_ms(this.#replica.timing), () => {
      this.#timer = this.#later();
      this.#look();
    });
  }

  #look(): void {
    this.#elections = this.#replica.raft.state.leader === NONE ? this.#elections + 1 : 0;
    if (this.#elections < NO_LEADER_ELECTIONS_MAX) return;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    this.stop();
    for (const lost of listeners) lost();
  }
}

/** Calls `lost` when the leader is, where the call asks for it; what is returned ends that. */
export function whenLost(loss: LeaderLoss, call: Call, lost: () => void): () => void {
  return wantsLeader(call) ? loss.listen(lost) : () => undefined;
}

/**
 * A stream's answers until the leader is lost: then etcd's error, even while an answer is awaited.
 */
export async function* endedByLoss<R>(
  loss: LeaderLoss,
  call: Call,
  answers: AsyncGenerator<R>,
): AsyncGenerator<R> {
  let reason: EtcdError | undefined;
  let fail: (reason: EtcdError) => void = () => undefined;
  const unlisten = whenLost(loss, call, () => fail((reason = etcdError("noLeader"))));
  try {
    for (;;) {
      const next = await new Promise<IteratorResult<R>>((resolve, reject) => {
        fail = reject;
        if (reason) reject(reason);
        else answers.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    unlisten();
    // The awaited work ends with the call; its result is no longer used.
    void answers.return(undefined).catch(() => undefined);
  }
}
