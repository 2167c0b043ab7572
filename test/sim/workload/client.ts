import type {
  DeleteRangeResponse,
  KeyValue,
  RangeResponse,
  TxnResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { describeAnswer, describeRefusal } from "../../../testing/history/answers.ts";
import { isSerializable, type KvInput, text } from "../../../testing/history/kv-model.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Counters } from "../world/counters.ts";
import type { LeaseBook } from "./lease-book.ts";
import { perform } from "./perform.ts";
import type { Recorder } from "./recorder.ts";
import {
  deleteAll,
  KEYS,
  type Knowledge,
  randomRequest,
  readOne,
  updateIfUnchanged,
} from "./requests.ts";

/** How long a client waits before it gives a request up. */
const CALL_TIMEOUT_MS = 2_000;

export interface ClientWorld {
  timeline: Timeline;
  random: Random;
  counters: Counters;
  recorder: Recorder;
  leases: LeaseBook;
  /** The members that are up, as far as a client can know. */
  generations: () => Generation[];
  /** Called with the end of each call that has an answer for certain while the cluster is well. */
  onEnded: (call: EndedCall) => void;
}

/** A call that was answered, was refused for a reason, failed, or was given up. */
export interface EndedCall {
  readonly client: string;
  readonly kind: string;
  readonly member: MemberId;
  readonly asked_ms: number;
  /** Why it has no answer; undefined for one that is answered or refused for a reason. */
  readonly failed: string | undefined;
}

/** The main activity of a client. */
export type ClientRole = "everything" | "leases" | "compaction" | "reads" | "bursts";

/** Concurrent requests of a client of bursts, at most. */
const BURST_MAX = 8;

/** A compaction so often follows a deletion of every key. */
const EMPTY_CHANCE = 0.1;
/** A member is so often asked for its hash after a compaction. */
const HASH_CHANCE = 0.3;

type Outcome<T> = { value: T } | { thrown: unknown } | undefined;

/** A client: one request at a time, each to any member. */
export class SimClient {
  readonly name: string;
  readonly #world: ClientWorld;
  readonly #role: ClientRole;
  #values = 0;
  #revision = 1;
  #read: KeyValue | undefined;
  #stopped = false;
  /** The member that a client of reads or of bursts stays with. */
  #endpoint: Generation | undefined;

  constructor(name: string, role: ClientRole, world: ClientWorld) {
    this.name = name;
    this.#role = role;
    this.#world = world;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Works until it is stopped; `think_ms()` is the mean pause between two requests. */
  async work(think_ms: () => number): Promise<void> {
    const { random } = this.#world;
    while (!this.#stopped) {
      const pause_ms = this.#role === "compaction" ? 100 + random.next() * 100 : undefined;
      await this.#sleep(pause_ms ?? random.next() * 2 * think_ms());
      const generation = this.#anyone();
      if (!generation) continue;
      this.#world.counters.note("operations");
      if (this.#role === "compaction") await this.#compact(generation);
      else if (this.#role === "reads") await this.#readOne();
      else if (this.#role === "bursts") await this.#burst();
      else {
        const kind = this.#role === "leases" ? 0.7 + random.next() * 0.3 : undefined;
        await this.#one(generation, kind);
      }
    }
  }

  /** A member that this client stays with, one that takes itself for the leader first of all. */
  #familiar(): Generation {
    const { random, generations } = this.#world;
    const up = generations();
    const leaders = up.filter(({ raft }) => raft.isLeader);
    const known = this.#endpoint && up.includes(this.#endpoint) && random.next() < 0.9;
    if (!known) this.#endpoint = pick(random, leaders.length > 0 ? leaders : up);
    return this.#endpoint!;
  }

  async #readOne(): Promise<void> {
    await this.request(this.#familiar(), readOne(pick(this.#world.random, KEYS)));
  }

  /** Sends the next request without waiting for an answer. */
  async #burst(): Promise<void> {
    const { random, counters } = this.#world;
    const generation = this.#familiar();
    const count = randomInteger(random, 1, BURST_MAX + 1);
    counters.note("operations", count - 1);
    const requests = Array.from({ length: count }, () => randomRequest(this.#knowledge));
    await Promise.all(requests.map((request) => this.request(generation, request)));
  }

  async #one(generation: Generation, wish: number | undefined): Promise<void> {
    const die = wish ?? this.#world.random.next();
    if (die < 0.75 && wish === undefined) {
      await this.request(generation, randomRequest(this.#knowledge));
    } else if (die < 0.92 && wish === undefined) await this.#update(generation);
    else await this.#lease(generation);
  }

  get #knowledge(): Knowledge {
    return {
      random: this.#world.random,
      value: () => this.#value(),
      revision: () => this.#revision,
      leases: () => this.#world.leases.alive(),
      read: () => this.#read,
    };
  }

  #value(): Buffer {
    const { random } = this.#world;
    const padding = "x".repeat(randomInteger(random, 0, random.next() < 0.1 ? 700 : 40));
    return Buffer.from(`${this.name}.${++this.#values}${padding}`);
  }

  #anyone(): Generation | undefined {
    const generations = this.#world.generations();
    return generations.length > 0 ? pick(this.#world.random, generations) : undefined;
  }

  /** Reads, then writes if unchanged, else retries, as Kubernetes does. */
  async #update(generation: Generation): Promise<void> {
    const name = pick(this.#world.random, KEYS);
    const read = (await this.request(generation, readOne(name))) as RangeResponse | undefined;
    if (!read) return;
    let modRevision = read.kvs[0]?.modRevision ?? 0;
    for (let attempt = 0; attempt < 3; attempt++) {
      this.#world.counters.note("operations");
      const input = updateIfUnchanged(name, modRevision, this.#value());
      const response = (await this.request(generation, input)) as TxnResponse | undefined;
      if (!response) return;
      this.#world.counters.note(response.succeeded ? "update made" : "update met a newer one");
      if (response.succeeded) return;
      modRevision = response.responses[0]?.responseRange?.kvs[0]?.modRevision ?? 0;
    }
  }

  async #compact(generation: Generation): Promise<void> {
    const { random } = this.#world;
    const chosen = Math.max(1, generation.state.revision - randomInteger(random, -1, 150));
    const emptied = random.next() < EMPTY_CHANCE ? await this.#empty(generation) : undefined;
    const revision = emptied ?? chosen;
    await this.request(generation, { kind: "compact", request: { revision, physical: false } });
    for (const each of this.#world.generations()) {
      const die = random.next();
      if (die < HASH_CHANCE) await this.#hash(each, die < HASH_CHANCE / 2 ? revision : 0);
    }
  }

  /** Returns the revision in which every key was deleted. */
  async #empty(generation: Generation): Promise<number | undefined> {
    const answer = await this.request(generation, deleteAll());
    const { deleted = 0, header } = (answer ?? {}) as Partial<DeleteRangeResponse>;
    return deleted > 0 ? header?.revision : undefined;
  }

  /** The member's hash of the newest revision or another one, to be compared with the model's. */
  async #hash(generation: Generation, revision: number): Promise<void> {
    const asked_ms = this.#world.timeline.now_ms;
    const answer = await this.#inTime(generation.hashKv(revision));
    this.#ended("hash-kv", generation, asked_ms, answer);
    if (!answer || "thrown" in answer) return;
    const { hash, hashRevision, compactRevision } = answer.value;
    this.#world.recorder.hashes.push({ hash, revision: hashRevision, compactRevision });
  }

  async #lease(generation: Generation): Promise<void> {
    const { random, leases, generations } = this.#world;
    const alive = leases.alive();
    const die = random.next();
    if (alive.length < 3 || die < 0.2) {
      const ID = BigInt(randomInteger(random, 1, 2 ** 40));
      const TTL = random.next() < 0.6 ? randomInteger(random, 2, 5) : randomInteger(random, 5, 15);
      const asked_ms = this.#world.timeline.now_ms;
      const answer = await this.request(generation, { kind: "lease-grant", request: { ID, TTL } });
      if (answer) leases.granted(ID, TTL, asked_ms);
    } else if (die < 0.4) await this.#look(generation, pick(random, alive));
    else if (die < 0.85) {
      // A follower forwards the request to the leader.
      const leader = generations().find(({ raft }) => raft.isLeader) ?? generation;
      await this.#keepAlive(random.next() < 0.5 ? leader : generation, pick(random, alive));
    } else {
      const ID = pick(random, alive);
      leases.unwanted(ID);
      await this.request(generation, { kind: "lease-revoke", request: { ID } });
    }
  }

  async #keepAlive(generation: Generation, ID: bigint): Promise<void> {
    const { leases, counters, timeline } = this.#world;
    const asked_ms = timeline.now_ms;
    leases.asked.add(ID);
    const answer = await this.#inTime(generation.client.leaseKeepAlive({ ID }));
    this.#ended("lease-keep-alive", generation, asked_ms, answer);
    if (!answer || "thrown" in answer || answer.value.TTL <= 0) return;
    counters.note("lease renewed");
    leases.renewed(ID, asked_ms);
  }

  async #look(generation: Generation, ID: bigint): Promise<void> {
    const { leases, counters, timeline } = this.#world;
    const asked_ms = timeline.now_ms;
    const seen = leases.look(ID, asked_ms);
    const answer = await this.#inTime(generation.client.leaseTimeToLive({ ID, keys: true }));
    this.#ended("lease-time-to-live", generation, asked_ms, answer);
    if (!answer || "thrown" in answer) return;
    counters.note("lease looked at");
    const { TTL, grantedTTL, keys } = answer.value;
    seen({ id: ID, left_s: TTL, ttl_s: grantedTTL, keys: keys.map(text) });
  }

  /** Makes one request and records it; undefined when it failed. */
  async request(generation: Generation, input: KvInput): Promise<unknown> {
    const { recorder, counters, timeline, random } = this.#world;
    const asked_ms = timeline.now_ms;
    const { backend } = generation.state;
    const act = () => perform(generation.client, input);
    const [recorded, call] = recorder.begin(this.name, input, act);
    const outcome = await this.#inTime(call);
    // A snapshot that has it applied does not say with what outcome: like etcd's, the call waits.
    const unknowable = recorded.ticket !== undefined && generation.state.backend !== backend;
    if (!unknowable) this.#ended(input.kind, generation, asked_ms, outcome);
    if (outcome && "value" in outcome) {
      recorder.end(recorded, describeAnswer(input.kind as never, outcome.value as never));
      counters.note(`answered ${isSerializable(input) ? "serializable" : input.kind}`);
      const { header } = outcome.value as { header?: { revision: number } };
      this.#revision = Math.max(this.#revision, header?.revision ?? 0);
      const { kvs = [] } = outcome.value as Partial<RangeResponse>;
      if (kvs.length > 0) this.#read = pick(random, kvs);
      return outcome.value;
    }
    const refusal = outcome && describeRefusal(outcome.thrown);
    if (refusal) recorder.end(recorded, refusal);
    counters.note(refusal ? `refused ${input.kind}` : `unanswered ${input.kind}`);
    return undefined;
  }

  /** The call's outcome, or undefined when it takes too long. */
  #inTime<T>(call: Promise<T>): Promise<Outcome<T>> {
    return new Promise((resolve) => {
      const timer = this.#world.timeline.after(CALL_TIMEOUT_MS, () => resolve(undefined));
      call
        .then(
          (value) => resolve({ value }),
          (thrown: unknown) => resolve({ thrown }),
        )
        .finally(() => timer.cancel());
    });
  }

  #ended(kind: string, { raft }: Generation, asked_ms: number, outcome: Outcome<unknown>): void {
    const member = raft.state.id;
    this.#world.onEnded({ client: this.name, kind, member, asked_ms, failed: whyFailed(outcome) });
  }

  #sleep(for_ms: number): Promise<void> {
    return new Promise((resolve) => void this.#world.timeline.after(for_ms, resolve));
  }
}

function whyFailed(outcome: Outcome<unknown>): string | undefined {
  if (!outcome) return "no answer";
  if ("value" in outcome || describeRefusal(outcome.thrown)) return undefined;
  return messageOf(outcome.thrown);
}
