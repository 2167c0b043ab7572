import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { isNotFound } from "./errors.ts";
import type { ObjectName } from "./object/object.ts";
import { microTimeText } from "./object/time.ts";
import type { KubeClient } from "./rest/client.ts";
import { ResourceClient } from "./rest/resource-client.ts";
import { LEASES } from "./rest/resources.ts";

export interface LeaderElectionOptions {
  client: KubeClient;
  lease: ObjectName;
  /** Unique among the candidates. */
  identity: string;
  /** Upstream's 15, 10 and 2 seconds unless set. */
  duration_ms?: number;
  renewDeadline_ms?: number;
  retry_ms?: number;
  clock: Clock;
  random?: Random;
  /**
   * Starts to lead, until `stop` aborts: at the election's end, or with `lost`, after which another
   * may lead and nothing is to be written. The promise ends when all has stopped; what takes longer
   * at the end than the lease is safe loses it.
   */
  lead(stop: AbortSignal, lost: AbortSignal): Promise<void>;
}

/** A candidate's action on a lease. */
export type ElectionStep = "create" | "take" | "renew" | "wait";

/**
 * The rule of client-go: a lease is another's until it was seen unchanged for its whole duration.
 */
export function planElection(
  lease: Lease | undefined,
  identity: string,
  unchanged_ms: number,
): ElectionStep {
  if (!lease) return "create";
  const { holderIdentity, leaseDurationSeconds = 0 } = lease.spec;
  if (holderIdentity === identity) return "renew";
  if (!holderIdentity) return "take";
  return unchanged_ms >= leaseDurationSeconds * 1000 ? "take" : "wait";
}

/**
 * Campaigns for a Lease without end: leads while it holds and renews it, and campaigns again when
 * it lost it. Time on the lease itself is never compared with the local clock, only its change.
 */
export class LeaderElection {
  readonly #options: Required<LeaderElectionOptions>;
  readonly #log;
  readonly #end = new AbortController();
  #seen: { revision: string | undefined; at_ms: number } = { revision: undefined, at_ms: 0 };
  #held: Lease | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LeaderElectionOptions) {
    const times = { duration_ms: 15_000, renewDeadline_ms: 10_000, retry_ms: 2_000 };
    this.#options = { ...times, random: systemRandom, ...options };
    this.#log = logger("leader-election");
  }

  get leading(): boolean {
    return this.#held !== undefined;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Stops leading, waits for `lead` to end, and gives the lease back. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, retry_ms, renewDeadline_ms, random, lead, identity, lease } = this.#options;
    const end = this.#end.signal;
    while (!end.aborted) {
      const lost = new AbortController();
      let deadline: Timer | undefined;
      const attempt = async () => {
        const begun_ms = clock.monotonic();
        if (!(await this.#step(lost.signal))) return false;
        deadline?.cancel();
        const left_ms = begun_ms + renewDeadline_ms - clock.monotonic();
        deadline = clock.after(left_ms, () => lost.abort());
        return true;
      };
      if (!(await attempt())) {
        await delay(clock, retry_ms * (1 + random.next() * 0.2), end);
        continue;
      }
      this.#log.info("leading", { lease: lease.name, identity });
      const stop = AbortSignal.any([lost.signal, end]);
      const leading = lead(stop, lost.signal);
      while (!stop.aborted) {
        await delay(clock, retry_ms, stop);
        if (!stop.aborted) await attempt();
      }
      await leading;
      deadline?.cancel();
      if (end.aborted) await this.#release();
      this.#held = undefined;
      this.#log.info("no longer leading", { lease: lease.name, identity });
    }
  }

  /** One attempt to get or keep the lease; whether it is held now. A failure is only "not now". */
  async #step(lost: AbortSignal): Promise<boolean> {
    const { clock, identity, lease: name } = this.#options;
    const leases = this.#leases(lost);
    try {
      const lease = await tolerate(leases.get(name), isNotFound);
      const revision = lease?.metadata.resourceVersion;
      if (revision !== this.#seen.revision) this.#seen = { revision, at_ms: clock.monotonic() };
      const step = planElection(lease, identity, clock.monotonic() - this.#seen.at_ms);
      if (step === "wait") return false;
      const wanted = this.#wanted(step, lease);
      const written = await (step === "create" ? leases.create(wanted) : leases.update(wanted));
      this.#held = written;
      const at_ms = clock.monotonic();
      this.#seen = { revision: written.metadata.resourceVersion, at_ms };
      return true;
    } catch (thrown) {
      this.#log.debug("lease not written", { lease: name.name, error: messageOf(thrown) });
      return false;
    }
  }

  /** Leases by requests that end with `signal`, and of which two fit into the deadline. */
  #leases(signal?: AbortSignal): ResourceClient<Lease> {
    const { client, renewDeadline_ms } = this.#options;
    const bounds = { signal, timeout_ms: renewDeadline_ms / 2 };
    return new ResourceClient<Lease>(
      {
        request: (request) => client.request({ ...request, ...bounds }),
        send: (request) => client.send({ ...request, ...bounds }),
        open: (request) => client.open({ ...request, ...bounds }),
      },
      LEASES,
    );
  }

  #wanted(step: ElectionStep, lease: Lease | undefined): Lease {
    const { clock, identity, duration_ms, lease: name } = this.#options;
    const now = microTimeText(clock.now());
    const kept = step === "renew" ? lease?.spec : undefined;
    const transitions = lease?.spec.leaseTransitions ?? 0;
    return {
      metadata: lease?.metadata ?? { ...name },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(duration_ms / 1000),
        acquireTime: kept?.acquireTime ?? now,
        renewTime: now,
        leaseTransitions: step === "take" ? transitions + 1 : transitions,
      },
    };
  }

  /**
   * Lets the next candidate start immediately. The lease of one that took over meanwhile is not
   * ours.
   */
  async #release(): Promise<void> {
    const held = this.#held;
    if (!held) return;
    const spec = { ...held.spec, holderIdentity: "", leaseDurationSeconds: 1 };
    try {
      await this.#leases().update({ ...held, spec });
    } catch (thrown) {
      this.#log.debug("lease not released", { error: messageOf(thrown) });
    }
  }
}
