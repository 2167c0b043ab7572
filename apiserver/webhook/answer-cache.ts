import { createHash } from "node:crypto";
import type { Clock } from "@raft2kube/std/clock.ts";

/** Answers to questions of clients; bounded in number and in time. */
export class AnswerCache<T> {
  readonly #clock: Clock;
  readonly #entries_max: number;
  readonly #known = new Map<string, { until_ms: number; answer: T }>();

  constructor(clock: Clock, entries_max: number) {
    this.#clock = clock;
    this.#entries_max = entries_max;
  }

  get(question: object): { answer: T } | undefined {
    const key = keyOf(question);
    const known = this.#known.get(key);
    if (known !== undefined && known.until_ms > this.#clock.now()) return known;
    this.#known.delete(key);
    return undefined;
  }

  set(question: object, answer: T, lifetime_ms: number): void {
    if (lifetime_ms <= 0) return;
    const key = keyOf(question);
    this.#known.delete(key);
    if (this.#known.size >= this.#entries_max) {
      this.#known.delete(this.#known.keys().next().value as string);
    }
    this.#known.set(key, { until_ms: this.#clock.now() + lifetime_ms, answer });
  }
}

/** No two questions have one key: clients choose parts of them. */
const keyOf = (question: object): string =>
  createHash("sha256").update(JSON.stringify(question)).digest("base64");
