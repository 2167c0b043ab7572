import { seatSeconds, type Work } from "./work.ts";

/**
 * - `waiting`: in its queue.
 * - `executing`: it is worked on, and has its seats.
 * - `lingering`: its answer is known; it has its seats until its events are sent.
 * - `over`: it has none any more, or never had.
 */
export type TicketState = "waiting" | "executing" | "lingering" | "over";

/** Why a request is refused, in the words of metrics (upstream's). */
export type Refusal = "queue-full" | "concurrency-limit" | "time-out" | "cancelled";

/** Counters of one flow schema in one level. */
export interface FlowMetrics {
  waiting: number;
  waitingSeats: number;
  executing: number;
  executingSeats: number;
  dispatched: number;
  /** Times that a request was next and had to wait for its seats. */
  notAccommodated: number;
  readonly refused: Map<Refusal, number>;
}

/** A request as its level gets it. */
export interface Arrival {
  readonly schema: string;
  /** The flow's name within the schema: a user, a namespace, or nothing. */
  readonly distinguisher: string;
  readonly work: Work;
  /** Called when the request leaves its queue to be worked on, perhaps before `start` returns. */
  readonly dispatched: () => void;
  /** The request itself, for its caller. */
  readonly subject: unknown;
}

/** One request in a level. */
export interface Ticket extends Omit<Arrival, "work"> {
  state: TicketState;
  work: Work;
  /** Seats that it holds, or waits for. */
  width: number;
  readonly queue: Queue | undefined;
  readonly flow: FlowMetrics;
  readonly arrived_ms: number;
  /** The progress of the level's queues when it arrived, in seat seconds. */
  readonly arrivedAt: number;
  started_ms: number;
}

/** The requests of the flows that chose one queue. It exists as long as there are some. */
export class Queue {
  readonly index: number;
  /** The oldest is the first. */
  readonly waiting: Set<Ticket> = new Set();
  executing = 0;
  seatsInUse = 0;
  seatsWaiting = 0;
  /** Seat seconds of those that wait. */
  workWaiting = 0;
  /** Virtual time at which its next request starts: the later, the more the queue has had. */
  next: number;

  constructor(index: number, now: number) {
    this.index = index;
    this.next = now;
  }

  get oldest(): Ticket | undefined {
    return this.waiting.values().next().value;
  }

  get isEmpty(): boolean {
    return this.executing === 0 && this.waiting.size === 0;
  }

  add(ticket: Ticket): void {
    this.waiting.add(ticket);
    this.seatsWaiting += ticket.width;
    this.workWaiting += seatSeconds(ticket.work);
  }

  remove(ticket: Ticket): void {
    this.waiting.delete(ticket);
    this.seatsWaiting -= ticket.width;
    this.workWaiting -= seatSeconds(ticket.work);
  }

  /** A queue gets no credit for idle time: its requests start no earlier than they arrived. */
  bound(): void {
    const { oldest } = this;
    if (oldest !== undefined) this.next = Math.max(this.next, oldest.arrivedAt);
  }
}
