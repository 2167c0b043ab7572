import type { PriorityLevelConfiguration } from "@raft2kube/api/gen/flowcontrol/v1.ts";
import type { Demand } from "./demand.ts";
import { DEMAND_SMOOTHING, LEVEL_SEATS_OF_LIST } from "./limits.ts";
import { type Limiting, QueueSet } from "./queue-set.ts";
import { RetryAfter } from "./retry-after.ts";

type Spec = PriorityLevelConfiguration["spec"];

/** A level's seats, by its configuration. */
export interface LevelSeats {
  readonly nominal: number;
  /** The seats that remain when others borrow all that it lends. */
  readonly least: number;
  /** The seats with all that it may borrow. */
  readonly most: number;
}

/** A level's demand in an interval; the smoothed one rises immediately and falls slowly. */
type SeatDemand = Demand & { readonly smoothed: number };

/** The shares of all seats that a level is configured with, and the part that it lends. */
export function sharesOf({ limited, exempt }: Spec): { shares: number; lendable_percent: number } {
  const { nominalConcurrencyShares: shares = 0, lendablePercent = 0 } = limited ?? exempt ?? {};
  return { shares, lendable_percent: lendablePercent };
}

/** The seats of a level among `all`, which are divided by shares. */
export function seatsOf(spec: Spec, all: number, allShares: number): LevelSeats {
  const { shares, lendable_percent } = sharesOf(spec);
  const nominal = Math.ceil((all * shares) / Math.max(1, allShares));
  const lendable = Math.round((nominal * lendable_percent) / 100);
  const percent = spec.limited?.borrowingLimitPercent;
  const borrowed = percent === undefined ? all : Math.round((nominal * percent) / 100);
  return { nominal, least: nominal - lendable, most: nominal + borrowed };
}

function limitingOf({ type, limited }: Spec): Limiting {
  if (type === "Exempt") return { type: "exempt" };
  const queuing = limited?.limitResponse?.queuing;
  if (queuing === undefined) return { type: "reject" };
  const { queues, handSize, queueLengthLimit } = queuing;
  return { type: "queue", queues, handSize, queueLength_max: queueLengthLimit };
}

/** A priority level that requests are sent to. */
export class Level {
  readonly name: string;
  readonly queueSet: QueueSet;
  readonly retryAfter: RetryAfter = new RetryAfter();
  uid: string;
  spec: Spec;
  seats: LevelSeats;
  /** The seats now: nominal, plus borrowed, less lent. */
  current: number;
  demand: SeatDemand = { most: 0, average: 0, deviation: 0, smoothed: 0 };

  constructor(name: string, uid: string, spec: Spec, seats: LevelSeats, now_ms: number) {
    this.name = name;
    this.uid = uid;
    this.spec = spec;
    this.seats = seats;
    this.current = seats.nominal - Math.floor((seats.nominal - seats.least) / 2);
    this.queueSet = new QueueSet(limitingOf(spec), this.current, now_ms);
  }

  get isExempt(): boolean {
    return this.spec.type === "Exempt";
  }

  /** Seats that one list may have. */
  get listSeats_max(): number {
    const { nominal } = this.seats;
    const hand = this.spec.limited?.limitResponse?.queuing?.handSize;
    if (hand === undefined) return Infinity;
    const most = Math.min(Math.ceil(nominal * LEVEL_SEATS_OF_LIST), Math.floor(nominal / hand));
    return Math.max(1, most);
  }

  /** Takes another configuration, or other seats of the same. */
  configure(uid: string, spec: Spec, seats: LevelSeats, now_ms: number): void {
    const isChanged = seats.nominal !== this.seats.nominal || seats.least !== this.seats.least;
    Object.assign(this, { uid, spec, seats });
    if (isChanged) this.current = Math.min(Math.max(this.current, seats.least), seats.most);
    this.queueSet.configure(limitingOf(spec), this.current, now_ms);
  }

  /** Takes the demand since the last call. */
  measure(now_ms: number): void {
    const demand = this.queueSet.demand.take(now_ms);
    const envelope = demand.average + demand.deviation;
    const past = DEMAND_SMOOTHING * this.demand.smoothed + (1 - DEMAND_SMOOTHING) * envelope;
    this.demand = { ...demand, smoothed: Math.max(envelope, past) };
  }

  /** Sets the seats from now on. */
  give(seats: number, now_ms: number): void {
    this.current = seats;
    this.queueSet.configure(limitingOf(this.spec), seats, now_ms);
  }
}
