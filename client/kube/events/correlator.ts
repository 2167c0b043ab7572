import { createHash, randomBytes } from "node:crypto";
import type { ObjectReference } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  EVENT_MESSAGE_CHARS_MAX,
  EVENTS_BURST,
  EVENTS_REFILL_MS,
  EVENTS_REMEMBERED_MAX,
  EVENTS_SIMILAR_MAX,
  EVENTS_SIMILAR_MS,
} from "../limits.ts";

/** A component's event about an object. */
export interface Occurrence {
  about: ObjectReference;
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

/** The action for an occurrence. `key` names the event it belongs to. */
export type Correlation =
  | { act: "skip" }
  | { act: "record"; key: number; message: string; count: number; first_ms: number };

type Similar = { messages: readonly number[]; last_ms: number };

/**
 * Upstream's correlation of events: more than a burst about one object is dropped, many that differ
 * only in their message become one, and equal ones count up. All memory is bounded, oldest out
 * first; texts are kept as digests.
 */
export class EventCorrelator {
  readonly #clock: Clock;
  /** The time at which an object's burst is whole again. */
  readonly #budgets = new Map<number, number>();
  readonly #similar = new Map<number, Similar>();
  readonly #counts = new Map<number, { count: number; first_ms: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  correlate(occurrence: Occurrence): Correlation {
    const { about, type, reason, message } = occurrence;
    const { kind, namespace, name, uid, fieldPath } = about;
    const object = [kind, namespace, name, uid, fieldPath].join("/");
    if (!this.#withinBudget(digest(object))) return { act: "skip" };
    const group = [object, type, reason].join("/");
    const combined = this.#combine(digest(group), digest(message));
    const key = digest(combined ? group : `${group}/${message}`);
    const known = this.#counts.get(key) ?? { count: 0, first_ms: this.#clock.now() };
    const counted = { count: known.count + 1, first_ms: known.first_ms };
    remember(this.#counts, key, counted);
    const text = combined ? `(combined from similar events): ${message}` : message;
    return { act: "record", key, message: text.slice(0, EVENT_MESSAGE_CHARS_MAX), ...counted };
  }

  /** Takes one of the object's burst, which comes back one at a time. */
  #withinBudget(object: number): boolean {
    const now_ms = this.#clock.now();
    const whole_ms = Math.max(now_ms, this.#budgets.get(object) ?? now_ms);
    const within = whole_ms - now_ms <= (EVENTS_BURST - 1) * EVENTS_REFILL_MS;
    remember(this.#budgets, object, within ? whole_ms + EVENTS_REFILL_MS : whole_ms);
    return within;
  }

  #combine(group: number, message: number): boolean {
    const now_ms = this.#clock.now();
    const known = this.#similar.get(group);
    const fresh = known && now_ms - known.last_ms <= EVENTS_SIMILAR_MS;
    const before = fresh ? known.messages : [];
    const same = before.length >= EVENTS_SIMILAR_MAX || before.includes(message);
    const messages = same ? before : [...before, message];
    remember(this.#similar, group, { messages, last_ms: now_ms });
    return messages.length >= EVENTS_SIMILAR_MAX;
  }
}

function remember<V>(map: Map<number, V>, key: number, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= EVENTS_REMEMBERED_MAX) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** A salt of this process: who writes messages cannot look for two of the same digest. */
const SALT = randomBytes(16);

/** Returns 48 bits, by which a few thousand texts are not mistaken for each other. */
function digest(text: string): number {
  return createHash("sha1").update(SALT).update(text).digest().readUIntBE(0, 6);
}
