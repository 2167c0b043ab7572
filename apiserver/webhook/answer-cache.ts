import { createHash } from "node:crypto";
import type { Clock } from "@raft2kube/std/clock.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";

/** Answers to questions of clients; bounded in number and in time. */
export class AnswerCache<T> {
  readonly #clock: Clock;
  readonly #known: RecentMap<string, { until_ms: number; answer: T }>;

  constructor(clock: Clock, entries_max: number) {
    this.#clock = clock;
    this.#known = new RecentMap(entries_max);
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
    const until_ms = this.#clock.now() + lifetime_ms;
    this.#known.set(keyOf(question), { until_ms, answer });
  }
}

/** No two questions have one key: clients choose parts of them. */
const keyOf = (question: object): string =>
  createHash("sha256").update(JSON.stringify(question)).digest("base64");
