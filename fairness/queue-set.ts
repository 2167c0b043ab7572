import { assert } from "@raft2kube/std/assert.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { DemandIntegrator } from "./demand.ts";
import { HANDS_MAX, SEATS_OF_FLOW, SERVICE_S } from "./limits.ts";
import { type Arrival, FlowMetrics, Load, Queue, type Refusal, type Ticket } from "./queue.ts";
import { dealHand } from "./shuffle.ts";
import { seatSeconds, widthOf } from "./work.ts";

/** How a level treats requests for which it has no seats. */
export type Limiting =
  | { readonly type: "exempt" }
  | { readonly type: "reject" }
  | {
      readonly type: "queue";
      readonly queues: number;
      readonly handSize: number;
      readonly queueLength_max: number;
    };

/**
 * Requests of one level: fair queuing for servers (upstream: fairqueuing/queueset). Virtual time is
 * the seat seconds that each queue with requests got; the queue whose oldest request would end
 * first by it is next. Of equals the one that was not served for longest.
 */
export class QueueSet extends Load {
  #limiting: Limiting;
  #seats: number;
  /** Queues with requests; the one served last is the last. */
  readonly #queues = new Map<number, Queue>();
  readonly #tickets = new Set<Ticket>();
  readonly #flows = new Map<string, FlowMetrics>();
  /** Requests that are worked on. */
  readonly tickets: ReadonlySet<Ticket> = this.#tickets;
  /** Counters of the flow schemas whose requests came here. */
  readonly flows: ReadonlyMap<string, FlowMetrics> = this.#flows;
  /** The flows with requests, by schema and distinguisher. */
  readonly #own = new Map<string, Load>();
  readonly #hands = new RecentMap<string, readonly number[]>(HANDS_MAX);
  readonly demand: DemandIntegrator;
  /** The progress of all queues together, in seat seconds. */
  #progress = 0;
  #last_ms: number;
  #dealt = 0;

  constructor(limiting: Limiting, seats: number, now_ms: number) {
    super();
    this.#limiting = limiting;
    this.#seats = seats;
    this.#last_ms = now_ms;
    this.demand = new DemandIntegrator(now_ms);
  }

  get isIdle(): boolean {
    return this.waiting === 0 && this.executing === 0;
  }

  /** How many flows have requests, or seats of some that ended. */
  get busyFlows(): number {
    return this.#own.size;
  }

  /** The queues with requests. */
  get queues(): Iterable<Queue> {
    return this.#queues.values();
  }

  /** Changes the bounds; what waits stays in its queue, and starts if there are seats now. */
  configure(limiting: Limiting, seats: number, now_ms: number): void {
    this.#advance(now_ms);
    this.#limiting = limiting;
    this.#seats = seats;
    this.#hands.clear();
    this.#changed(now_ms);
    this.#dispatchAll(now_ms);
  }

  /** Starts a request, or puts it into a queue, or says why it is refused. */
  start(arrival: Arrival, now_ms: number): Ticket | Refusal {
    this.#advance(now_ms);
    const limiting = this.#limiting;
    if (limiting.type === "queue") return this.#enqueue(arrival, limiting, now_ms);
    const ticket = this.#ticket(arrival, undefined, now_ms);
    if (limiting.type === "reject" && !this.#hasSeats(ticket)) {
      this.#dropIdle(ticket);
      return this.#refuse(arrival.schema, "concurrency-limit");
    }
    this.#execute(ticket, now_ms);
    return ticket;
  }

  #enqueue(
    arrival: Arrival,
    limiting: Extract<Limiting, { type: "queue" }>,
    now_ms: number,
  ): Ticket | Refusal {
    const index = this.#choose(arrival, limiting);
    const known = this.#queues.get(index);
    const isFull = (known?.waiting ?? 0) >= limiting.queueLength_max;
    const own = this.#own.get(flowNameOf(arrival));
    const none = this.seatsInUse >= this.#seats || !this.#mayHaveMore(own);
    if (isFull && none) return this.#refuse(arrival.schema, "queue-full");
    const queue = known ?? new Queue(index, this.#progress);
    this.#queues.set(index, queue);
    const ticket = this.#ticket(arrival, queue, now_ms);
    queue.add(ticket);
    this.#countWaiting(ticket, 1);
    queue.bound();
    this.#changed(now_ms);
    this.#dispatchAll(now_ms);
    return ticket;
  }

  /** Returns the queue of the flow's hand with the least work; of equals another each time. */
  #choose(arrival: Arrival, limiting: { queues: number; handSize: number }): number {
    const hand = this.#handOf(flowNameOf(arrival), limiting);
    const offset = this.#dealt++ % hand.length;
    let [best, least] = [hand[offset]!, Infinity];
    for (let at = 0; at < hand.length; at++) {
      const index = hand[(offset + at) % hand.length]!;
      const work = this.#queues.get(index)?.workWaiting ?? 0;
      if (work < least) [best, least] = [index, work];
    }
    return best;
  }

  #handOf(flow: string, { queues, handSize }: { queues: number; handSize: number }) {
    const known = this.#hands.get(flow);
    if (known !== undefined) return known;
    const hand = dealHand(flow, queues, handSize);
    this.#hands.set(flow, hand);
    return hand;
  }

  /** The request's client gave up, or it waited for too long. Does nothing unless it waits. */
  withdraw(ticket: Ticket, why: "time-out" | "cancelled", now_ms: number): void {
    if (ticket.state !== "waiting") return;
    this.#advance(now_ms);
    ticket.state = "over";
    this.#refuse(ticket.schema, why);
    const queue = ticket.queue!;
    queue.remove(ticket);
    this.#countWaiting(ticket, -1);
    queue.bound();
    this.#dropEmpty(queue);
    this.#dropIdle(ticket);
    this.#changed(now_ms);
    // A wide request may have been next, and others fit.
    this.#dispatchAll(now_ms);
  }

  /**
   * The request's answer is known. Returns the time after which to call `release`: 0 if the seats
   * are given back already.
   */
  finish(ticket: Ticket, now_ms: number): number {
    if (ticket.state !== "executing") return 0;
    this.#advance(now_ms);
    this.#tickets.delete(ticket);
    for (const load of ticket.loads) load.executing--;
    ticket.state = "lingering";
    const { queue, work } = ticket;
    if (queue !== undefined) {
      const took_s = (now_ms - ticket.started_ms) / 1_000;
      queue.next -= work.seats * (SERVICE_S - took_s);
      queue.bound();
      this.#dropEmpty(queue);
    }
    if (work.extra_ms > 0) return work.extra_ms;
    this.release(ticket, now_ms);
    return 0;
  }

  /** Gives the seats of a finished request back. */
  release(ticket: Ticket, now_ms: number): void {
    if (ticket.state !== "lingering") return;
    this.#advance(now_ms);
    ticket.state = "over";
    for (const load of ticket.loads) load.seatsInUse -= ticket.width;
    this.#dropIdle(ticket);
    assert(this.seatsInUse >= 0, "seats are given back once");
    this.#changed(now_ms);
    this.#dispatchAll(now_ms);
  }

  #dispatchAll(now_ms: number): void {
    while (this.waiting > 0 && this.seatsInUse < this.#seats && this.#dispatch(now_ms));
  }

  /** Starts the next request of all queues; false while there is none, or it waits for seats. */
  #dispatch(now_ms: number): boolean {
    const ticket = this.#next();
    if (ticket === undefined) return false;
    const queue = ticket.queue!;
    if (!this.#hasSeats(ticket)) {
      ticket.flow.notAccommodated++;
      return false;
    }
    queue.remove(ticket);
    this.#countWaiting(ticket, -1);
    this.#reshape(ticket);
    queue.next += seatSeconds(ticket.work);
    this.#execute(ticket, now_ms);
    queue.bound();
    this.#queues.delete(queue.index);
    this.#queues.set(queue.index, queue);
    ticket.dispatched();
    return true;
  }

  /** The request that is next; those of flows that have their part are passed over. */
  #next(): Ticket | undefined {
    let [next, least]: [Ticket | undefined, number] = [undefined, Infinity];
    for (const queue of this.#queues.values()) {
      const oldest = this.#oldestOf(queue);
      if (oldest === undefined) continue;
      const end = queue.next + seatSeconds(oldest.work);
      if (end < least) [next, least] = [oldest, end];
    }
    return next;
  }

  #oldestOf({ tickets }: Queue): Ticket | undefined {
    for (const each of tickets) if (this.#mayHaveMore(each.own)) return each;
    return undefined;
  }

  /**
   * Whether a flow has less than its part of the seats that other flows leave (not upstream):
   * requests that wait for a server outside, as webhooks, have theirs as long as that pleases.
   */
  #mayHaveMore(flow: Load | undefined): boolean {
    const own = flow?.seatsInUse ?? 0;
    return own === 0 || own < SEATS_OF_FLOW * (this.#seats - this.seatsInUse + own);
  }

  /** One that is wider than all seats waits until it is alone. */
  #hasSeats(ticket: Ticket): boolean {
    const { width } = ticket;
    if (!this.#mayHaveMore(ticket.own)) return false;
    if (width > this.#seats) return this.executing === 0;
    return this.seatsInUse + width <= this.#seats;
  }

  /** Final seats that the level does not have are fewer, for longer. */
  #reshape(ticket: Ticket): void {
    const { finalSeats, extra_ms } = ticket.work;
    if (finalSeats <= this.#seats) return;
    const work = { finalSeats: this.#seats, extra_ms: (extra_ms * finalSeats) / this.#seats };
    ticket.work = { ...ticket.work, ...work };
    ticket.width = widthOf(ticket.work);
  }

  #execute(ticket: Ticket, now_ms: number): void {
    ticket.state = "executing";
    ticket.started_ms = now_ms;
    this.#tickets.add(ticket);
    ticket.flow.dispatched++;
    for (const load of ticket.loads) {
      load.executing++;
      load.seatsInUse += ticket.width;
    }
    this.#changed(now_ms);
  }

  #countWaiting(ticket: Ticket, by: 1 | -1): void {
    for (const load of ticket.loads) {
      load.waiting += by;
      load.seatsWaiting += by * ticket.width;
    }
  }

  /** A queue without requests is forgotten: one that gets some again starts at the present. */
  #dropEmpty(queue: Queue): void {
    if (queue.waiting + queue.executing === 0) this.#queues.delete(queue.index);
  }

  /** A flow without requests and seats is forgotten. */
  #dropIdle(ticket: Ticket): void {
    const { waiting, seatsInUse } = ticket.own;
    if (waiting + seatsInUse === 0) this.#own.delete(flowNameOf(ticket));
  }

  #ticket(arrival: Arrival, queue: Queue | undefined, now_ms: number): Ticket {
    const flow = this.#flowOf(arrival.schema);
    const name = flowNameOf(arrival);
    const own = this.#own.get(name) ?? new Load();
    this.#own.set(name, own);
    return {
      ...arrival,
      state: "waiting",
      width: widthOf(arrival.work),
      queue,
      flow,
      own,
      loads: queue === undefined ? [this, flow, own] : [this, flow, own, queue],
      arrived_ms: now_ms,
      arrivedAt: this.#progress,
      started_ms: now_ms,
    };
  }

  #refuse(schema: string, why: Refusal): Refusal {
    const { refused } = this.#flowOf(schema);
    refused.set(why, (refused.get(why) ?? 0) + 1);
    return why;
  }

  #flowOf(schema: string): FlowMetrics {
    const flow = this.#flows.get(schema) ?? new FlowMetrics();
    this.#flows.set(schema, flow);
    return flow;
  }

  #changed(now_ms: number): void {
    this.demand.set(this.seatsInUse + this.seatsWaiting, now_ms);
  }

  /** Virtual time goes on by what each queue with requests got since. */
  #advance(now_ms: number): void {
    const took_s = (now_ms - this.#last_ms) / 1_000;
    this.#last_ms = now_ms;
    const busy = this.#queues.size;
    if (busy === 0) return;
    const seats = Math.min(this.seatsInUse + this.seatsWaiting, this.#seats);
    this.#progress += (took_s * seats) / busy;
  }
}

const flowNameOf = ({ schema, distinguisher }: Arrival | Ticket): string =>
  `${schema},${distinguisher}`;
