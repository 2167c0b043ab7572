import { createHash } from "node:crypto";
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
  | { act: "record"; key: string; message: string; count: number; first_ms: number };

type Similar = { messages: Set<string>; last_ms: number };

type Budget = { tokens: number; at_ms: number };

/**
 * Upstream's correlation of events: more than a burst about one object is dropped, many that differ
 * only in their message become one, and equal ones count up. All memory is bounded, oldest out
 * first.
 */
export class EventCorrelator {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, Budget>();
  readonly #similar = new Map<string, Similar>();
  readonly #counts = new Map<string, { count: number; first_ms: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  correlate(occurrence: Occurrence): Correlation {
    const { about, type, reason, message } = occurrence;
    const object = [about.kind, about.namespace, about.name, about.uid, about.fieldPath].join("/");
    if (!this.#withinBudget(object)) return { act: "skip" };
    const group = [object, type, reason].join("/");
    const combined = this.#combine(group, message);
    const key = digest(combined ? group : `${group}/${message}`);
    const known = this.#counts.get(key) ?? { count: 0, first_ms: this.#clock.now() };
    const counted = { count: known.count + 1, first_ms: known.first_ms };
    remember(this.#counts, key, counted);
    const text = combined ? `(combined from similar events): ${message}` : message;
    return { act: "record", key, message: text.slice(0, EVENT_MESSAGE_CHARS_MAX), ...counted };
  }

  #withinBudget(object: string): boolean {
    const now_ms = this.#clock.now();
    const budget = this.#budgets.get(object) ?? { tokens: EVENTS_BURST, at_ms: now_ms };
    const gained = (now_ms - budget.at_ms) / EVENTS_REFILL_MS;
    const tokens = Math.min(EVENTS_BURST, budget.tokens + gained);
    const within = tokens >= 1;
    remember(this.#budgets, object, { tokens: within ? tokens - 1 : tokens, at_ms: now_ms });
    return within;
  }

  #combine(group: string, message: string): boolean {
    const now_ms = this.#clock.now();
    const known = this.#similar.get(group);
    const fresh = known && now_ms - known.last_ms <= EVENTS_SIMILAR_MS;
    const messages = fresh ? known.messages : new Set<string>();
    if (messages.size < EVENTS_SIMILAR_MAX) messages.add(digest(message));
    remember(this.#similar, group, { messages, last_ms: now_ms });
    return messages.size >= EVENTS_SIMILAR_MAX;
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= EVENTS_REMEMBERED_MAX) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

function digest(text: string): string {
  return createHash("sha1").update(text).digest("base64");
}
