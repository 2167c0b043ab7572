import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { NONE } from "../core/types.ts";
import { NO_LEADER_ELECTIONS_MAX } from "../limits.ts";
import type { Replica } from "../node/replica.ts";
import { election_ms } from "../node/timing.ts";

/** Whether a client wants an error rather than a wait when the member has no leader. */
export function wantsLeader(call: Call): boolean {
  return call.metadata.get("hasleader")[0] === "true";
}

export function checkLeader(replica: Replica, call: Call): void {
  if (wantsLeader(call) && replica.raft.state.leader === NONE) throw etcdError("noLeader");
}

/** Tells streams that asked for it when the member has had no leader for some elections. */
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
