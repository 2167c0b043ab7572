import type { Random } from "@raft2kube/std/random.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { Counters } from "./counters.ts";
import { cutLinks, link, type PartitionShape } from "./partition.ts";

/** A message under way, and for a snapshot the state that goes with it. */
export type Parcel = { readonly message: Message; readonly state?: Map<string, Buffer> };

export interface NetworkOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly counters: Counters;
  /** The mean time that a message takes. */
  readonly latency_ms: (from: bigint, to: bigint) => number;
  /** Hands a parcel to its receiver. */
  readonly deliver: (parcel: Parcel) => void;
  /** A parcel that will not arrive. */
  readonly lost: (parcel: Parcel) => void;
}

/** How late a message is that others overtake, at most. */
const LATE_MS_MAX = 2_000;
/** The time between two parcels of a stream that goes on. */
const HELD_MS = 0.01;
/** How long a caller takes to notice that its connection is broken. */
const BREAK_MS = 100;

/**
 * Messages between members: each takes its own time, so they overtake each other; they get lost,
 * come twice, are held up on a clogged link, or are cut off by a partition.
 */
export class Network {
  readonly #options: NetworkOptions;
  /** Chance that a message is lost, or comes a second time. */
  loss = 0;
  replay = 0;
  /** Chance that a message arrives long after those that were sent after it. */
  stragglers = 0;
  /** All links are alike. */
  #even = false;
  #cut = new Set<string>();
  readonly #cloggedUntil_ms = new Map<string, number>();
  /** Parcels that links hold back until they are released, in the order of sending. */
  readonly #held = new Map<string, Parcel[]>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  send(parcel: Parcel): void {
    const { random, counters, timeline } = this.#options;
    const { message } = parcel;
    const name = link(message.from, message.to);
    const held = this.#held.get(name);
    if (held) return void held.push(parcel);
    if (this.#cut.has(name)) {
      counters.note("message cut off");
      return this.#options.lost(parcel);
    }
    if (random.next() < this.loss) {
      counters.note("message lost");
      return this.#options.lost(parcel);
    }
    const late_ms = this.#straggles() ? random.next() * LATE_MS_MAX : 0;
    const until_ms = this.#cloggedUntil_ms.get(name) ?? 0;
    const clogged_ms = late_ms + Math.max(0, until_ms - timeline.now_ms);
    this.#deliverAfter(clogged_ms + this.#latency_ms(message), parcel);
    // A proposal that came twice would be two: the transport is a stream and repeats none.
    if (message.kind === "propose" || message.kind === "snapshot") return;
    if (random.next() >= this.replay) return;
    counters.note("message replayed");
    this.#deliverAfter(clogged_ms + this.#latency_ms(message) * 20, parcel);
  }

  /**
   * Carries a call, or its answer, which travels on a connection of its own: it arrives once, or
   * the connection breaks.
   */
  call(from: bigint, to: bigint, arrived: () => void, broken: () => void): void {
    const { random, counters, timeline } = this.#options;
    const name = link(from, to);
    const breaks = this.#cut.has(name) || random.next() < this.loss;
    if (breaks) counters.note("call broken");
    timeline.after(breaks ? BREAK_MS : this.#latency_ms({ from, to }), () => {
      if (breaks || this.#cut.has(name)) broken();
      else arrived();
    });
  }

  #straggles(): boolean {
    return this.stragglers > 0 && this.#options.random.next() < this.stragglers;
  }

  #latency_ms({ from, to }: { from: bigint; to: bigint }): number {
    const { random, latency_ms } = this.#options;
    return (this.#even ? 1 : latency_ms(from, to)) * (0.2 - Math.log(1 - random.next()));
  }

  #deliverAfter(delay_ms: number, parcel: Parcel): void {
    this.#options.timeline.after(delay_ms, () => {
      const { from, to } = parcel.message;
      if (this.#cut.has(link(from, to))) this.#options.lost(parcel);
      else this.#options.deliver(parcel);
    });
  }

  /** Holds up what goes from one member to another. */
  clog(from: bigint, to: bigint, for_ms: number): void {
    this.#cloggedUntil_ms.set(link(from, to), this.#options.timeline.now_ms + for_ms);
  }

  /** Keeps what is sent from one member to another, as a stream does that stalls. */
  hold(from: bigint, to: bigint): void {
    const name = link(from, to);
    if (!this.#held.has(name)) this.#held.set(name, []);
  }

  /** Delivers the parcels that were held back, in their order. */
  release(from: bigint, to: bigint): void {
    const name = link(from, to);
    const held = this.#held.get(name) ?? [];
    this.#held.delete(name);
    held.forEach((parcel, i) => this.#deliverAfter(i * HELD_MS, parcel));
  }

  /** Cuts exactly these links. */
  cut(links: readonly string[]): void {
    this.#cut = new Set(links);
  }

  partition(shape: PartitionShape, ids: readonly bigint[], random: Random): void {
    this.#cut = new Set(cutLinks(shape, ids, random));
  }

  /** Lets all messages pass, immediately and once. */
  heal(): void {
    this.join();
    for (const parcels of this.#held.values()) {
      for (const parcel of parcels) this.#options.lost(parcel);
    }
    this.#held.clear();
    this.loss = 0;
    this.replay = 0;
    this.stragglers = 0;
    this.#even = true;
    this.#cloggedUntil_ms.clear();
  }

  /** The partition ends. */
  join(): void {
    this.#cut.clear();
  }
}
