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

/** The requests of a level, of one of its queues, of a flow or its schema, and their seats. */
export class Load {
  waiting = 0;
  seatsWaiting = 0;
  executing = 0;
  seatsInUse = 0;
}

/** Counters of one flow schema in one level. */
export class FlowMetrics extends Load {
  dispatched = 0;
  /** Times that a request was next and had to wait for its seats. */
  notAccommodated = 0;
  readonly refused: Map<Refusal, number> = new Map();
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

/** A request in a level. */
export interface Ticket extends Omit<Arrival, "work"> {
  state: TicketState;
  work: Work;
  /** Seats that it holds, or waits for. */
  width: number;
  readonly queue: Queue | undefined;
  readonly flow: FlowMetrics;
  /** The requests of its flow alone, not of all of its schema. */
  readonly own: Load;
  /** The loads that it is a part of: its level's, its schema's, its flow's and its queue's. */
  readonly loads: readonly Load[];
  readonly arrived_ms: number;
  /** The progress of the level's queues when it arrived, in seat seconds. */
  readonly arrivedAt: number;
  started_ms: number;
}

/** The requests of the flows that chose one queue. It exists as long as there are some. */
export class Queue extends Load {
  readonly index: number;
  /** Requests that wait; the oldest is the first. */
  readonly tickets: Set<Ticket> = new Set();
  /** Seat seconds of those. */
  workWaiting = 0;
  /** Virtual time at which its next request starts: the later, the more the queue has had. */
  next: number;

  constructor(index: number, now: number) {
    super();
    this.index = index;
    this.next = now;
  }

  get oldest(): Ticket | undefined {
    return this.tickets.values().next().value;
  }

  add(ticket: Ticket): void {
    this.tickets.add(ticket);
    this.workWaiting += seatSeconds(ticket.work);
  }

  remove(ticket: Ticket): void {
    this.tickets.delete(ticket);
    this.workWaiting -= seatSeconds(ticket.work);
  }

  /** A queue gets no credit for idle time: its requests start no earlier than they arrived. */
  bound(): void {
    const { oldest } = this;
    if (oldest !== undefined) this.next = Math.max(this.next, oldest.arrivedAt);
  }
}
