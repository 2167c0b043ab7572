import {
  BYTES_PER_SEAT,
  EVENT_MS,
  LIST_FROM_CACHE_BYTES_MAX,
  LIST_SEATS_MAX,
  SERVICE_S,
  WATCHERS_PER_SEAT,
  WRITE_SEATS_MAX,
} from "./limits.ts";

/** The seats that a request takes, and for how long. */
export interface Work {
  /** Seats until the request's answer is known. */
  readonly seats: number;
  /** Seats after that, for `extra_ms`: the events of a write are sent. */
  readonly finalSeats: number;
  readonly extra_ms: number;
}

export const ONE_SEAT: Work = { seats: 1, finalSeats: 0, extra_ms: 0 };

/** Seats that a request holds from its start to its end. */
export const widthOf = ({ seats, finalSeats }: Work): number => Math.max(seats, finalSeats);

/** A request's work in seat seconds, by the estimated time. */
export const seatSeconds = ({ seats, finalSeats, extra_ms }: Work): number =>
  seats * SERVICE_S + (finalSeats * extra_ms) / 1_000;

/** A list, or a watch that starts with the objects there are. */
export interface ListRequest {
  /** One object is named, by a selector. */
  readonly isSingle: boolean;
  /** Objects asked for at most; 0 for all. */
  readonly limit: number;
  readonly isSelected: boolean;
  readonly fromCache: boolean;
  /** The resource's objects, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
}

/** A list's work, by the bytes that it brings together; `seats_max` is its level's bound. */
export function workOfList(list: ListRequest, seats_max: number): Work {
  const { isSingle, limit, isSelected, fromCache, objects, bytes } = list;
  const limited = limit > 0 ? Math.min(limit, objects) : objects;
  const loaded = isSingle ? 1 : !fromCache && isSelected ? Math.max(limited, objects / 2) : limited;
  const all = loaded * (objects > 0 ? bytes / objects : 0);
  const counted = fromCache ? Math.min(all, LIST_FROM_CACHE_BYTES_MAX) : all;
  const most = Math.min(seats_max, LIST_SEATS_MAX);
  const seats = Math.max(1, Math.min(Math.ceil(counted / BYTES_PER_SEAT), most));
  return { ...ONE_SEAT, seats };
}

/** A write's work: its own seat, and then those in which its watchers get the event. */
export function workOfWrite(watchers: number): Work {
  if (watchers < WATCHERS_PER_SEAT) return ONE_SEAT;
  const wanted = Math.ceil(watchers / WATCHERS_PER_SEAT);
  const finalSeats = Math.min(wanted, WRITE_SEATS_MAX);
  return { seats: 1, finalSeats, extra_ms: (EVENT_MS * wanted) / finalSeats };
}
