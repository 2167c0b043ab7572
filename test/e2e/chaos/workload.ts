import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { PutRequest, type RangeResponse } from "@raft2kube/proto/gen/etcd.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { KvInput } from "../../../testing/history/kv-model.ts";
import { require } from "../../../testing/violation.ts";
import type { LeaseHistory } from "../../sim/check/leases.ts";
import type { WatchHistory } from "../../sim/check/watches.ts";
import { KEYS, randomRequest, readOne, updateIfUnchanged } from "../../sim/workload/requests.ts";
import { take } from "../../sim/workload/watching.ts";
import type { ChaosMember } from "./member.ts";
import type { Recorder } from "./recorder.ts";

const CLIENTS = 6;
const THINK_MS = 40;
/**
 * Pause after a failure: a member that is down refuses immediately, and retries would fill the
 * history.
 */
const AFTER_FAILURE_MS = 150;
const CALL_TIMEOUT_MS = 1_500;
/** A cluster that is well answers, on however busy a machine. */
const QUIET_TIMEOUT_MS = 60_000;
const LEASE_TTL_S = 4;
const KEEP_ALIVE_MS = 700;
const WATCH_MS = 900;

export interface WorkloadOptions {
  readonly members: readonly ChaosMember[];
  readonly random: Random;
  readonly recorder: Recorder;
}

/** The clients' load: the simulator's requests, leases that are kept, watches old and new. */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly watches: WatchHistory[] = [];
  readonly leases: LeaseHistory[] = [];
  #values = 0;
  #revision = 1;
  #running: Promise<unknown>[] = [];
  #stopped = true;
  #closers: (() => void)[] = [];

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Prepares, without faults: gives up old revisions, and takes a lease to keep. */
  async prepare(): Promise<void> {
    const compactTo = this.#revision - 400;
    if (compactTo > 1) {
      await this.#quiet({ kind: "compact", request: { revision: compactTo, physical: false } });
    }
    const ID = BigInt(randomInteger(this.#options.random, 1, 2 ** 40));
    const asked_ms = performance.now();
    await this.#quiet({ kind: "lease-grant", request: { ID, TTL: LEASE_TTL_S } });
    const key = Buffer.from(`lease/${ID}`);
    const put = { ...PutRequest.create(), key, value: this.#value("lease"), lease: ID };
    await this.#quiet({ kind: "put", request: put });
    const renewals = [{ asked_ms, answered_ms: performance.now() }];
    const ends = { expired_ms: undefined, ended_ms: undefined };
    this.leases.push({ id: ID, ttl_s: LEASE_TTL_S, renewals, ...ends });
  }

  /** A request to a cluster that is well: it must be answered. */
  async #quiet(input: KvInput): Promise<void> {
    const { members, recorder } = this.#options;
    const response = await recorder.request(members[0]!, input, QUIET_TIMEOUT_MS);
    require(response !== undefined, "progress", `a cluster that is well did not ${input.kind}`);
    this.#revision = Math.max(this.#revision, response.header?.revision ?? 0);
  }

  start(): void {
    this.#stopped = false;
    this.#running = [
      ...Array.from({ length: CLIENTS }, (_, i) => this.#work(`c${i}`)),
      this.#keepAlive(),
      this.#watchMore(),
    ];
  }

  /** Resolves once every client has come to rest. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** Ends all watches; those still open are marked as not so. */
  closeWatches(): void {
    for (const close of this.#closers.splice(0)) close();
    this.watches.length = 0;
  }

  get revision(): number {
    return this.#revision;
  }

  #value(by: string): Buffer {
    return Buffer.from(`${by}.${++this.#values}.`);
  }

  async #work(name: string): Promise<void> {
    const { members, random, recorder } = this.#options;
    const known = {
      random,
      value: () => this.#value(name),
      revision: () => this.#revision,
      leases: () => [],
      read: () => undefined,
    };
    const ask = async (input: KvInput) => {
      const response = await recorder.request(pick(random, members), input, CALL_TIMEOUT_MS);
      this.#revision = Math.max(this.#revision, response?.header?.revision ?? 0);
      if (!response) await delay(systemClock(), AFTER_FAILURE_MS);
      return response;
    };
    while (!this.#stopped) {
      await delay(systemClock(), random.next() * 2 * THINK_MS);
      if (random.next() < 0.75) {
        await ask(randomRequest(known));
        continue;
      }
      const key = pick(random, KEYS);
      const read = (await ask(readOne(key))) as RangeResponse | undefined;
      if (!read) continue;
      await ask(updateIfUnchanged(key, read.kvs[0]?.modRevision ?? 0, this.#value(name)));
    }
  }

  async #keepAlive(): Promise<void> {
    const { members, random } = this.#options;
    const lease = this.leases.at(-1)!;
    while (!this.#stopped) {
      const asked_ms = performance.now();
      try {
        const options = { timeout_ms: CALL_TIMEOUT_MS };
        const member = pick(random, members);
        const { TTL } = await member.client.leaseKeepAlive({ ID: lease.id }, options);
        if (TTL > 0) lease.renewals.push({ asked_ms, answered_ms: performance.now() });
      } catch (thrown) {
        // The member may be down; the lease then keeps its remaining time.
        if (!(thrown instanceof EtcdError)) throw thrown;
      }
      await delay(systemClock(), KEEP_ALIVE_MS);
    }
  }

  async #watchMore(): Promise<void> {
    const { random, members } = this.#options;
    while (!this.#stopped) {
      this.#watch(pick(random, members));
      await delay(systemClock(), random.next() * 2 * WATCH_MS);
    }
  }

  #watch(member: ChaosMember): void {
    const { random } = this.#options;
    const [from, to] = random.next() < 0.5 ? ["k", "l"] : [pick(random, KEYS), ""];
    const start = Math.max(1, this.#revision + randomInteger(random, -100, 101));
    const watch: WatchHistory = {
      name: `watch ${this.watches.length} of ${from} on ${member.name}`,
      ...{ start, from, to, prevKv: random.next() < 0.3 },
      ...{ responses: [], compactRevision: undefined, open: true },
    };
    this.watches.push(watch);
    const stream = member.watcher.watch({ requireLeader: false });
    const { prevKv } = watch;
    const range = { key: Buffer.from(from), rangeEnd: Buffer.from(to) };
    stream.create({ ...range, startRevision: start, prevKv, progressNotify: true });
    if (random.next() < 0.3) stream.requestProgress();
    this.#closers.push(() => stream.close());
    const read = async () => {
      for await (const response of stream) {
        take(watch, response);
        if (response.canceled) return;
      }
    };
    void read()
      .catch((thrown: unknown) => {
        // The member went away, and its watches with it.
        if (!(thrown instanceof EtcdError)) throw thrown;
      })
      .finally(() => {
        watch.open = false;
      });
  }
}
