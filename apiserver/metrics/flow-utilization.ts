import type { Fairness } from "@raft2kube/fairness/fairness.ts";
import type { Level } from "@raft2kube/fairness/level.ts";
import { TimedFamily, type TimedHistogram } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { Known } from "./families.ts";

const DEMAND_BOUNDS = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6];
const SEAT_BOUNDS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const REQUEST_BOUNDS = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1];
const KIND_BOUNDS = [0, 0.001, 0.01, ...SEAT_BOUNDS.slice(1)];

export type RequestKind = "readOnly" | "mutating";
export type Phase = "executing" | "waiting";
type OfLevel = Record<Phase | "demand" | "seats", TimedHistogram>;

/** Shows over time which parts of their bounds requests take (upstream's TimingRatioHistograms). */
export class Utilization {
  readonly #fairness: Fairness;
  readonly #families: Record<"demand" | "seats" | "requests", TimedFamily>;
  readonly #levels = new Known<OfLevel>();
  readonly #kinds: Record<Phase, Record<RequestKind, TimedHistogram>>;

  constructor(registry: Registry, fairness: Fairness, clock: Clock) {
    const now_ms = () => clock.monotonic();
    const family = (of: string, help: string, bounds: readonly number[]) =>
      new TimedFamily(registry, { name: `apiserver_flowcontrol_${of}`, help, bounds }, now_ms);
    this.#fairness = fairness;
    const seats = "Seats taken, as a part of a level's.";
    const requests = "Requests, as a part of a level's seats or of its queues' lengths.";
    this.#families = {
      demand: family("demand_seats", "Seats asked for, as a part of a level's.", DEMAND_BOUNDS),
      seats: family("priority_level_seat_utilization", seats, SEAT_BOUNDS),
      requests: family("priority_level_request_utilization", requests, REQUEST_BOUNDS),
    };
    const byKind = "Requests by whether they write, as a part of all seats or lengths.";
    const kinds = family("read_vs_write_current_requests", byKind, KIND_BOUNDS);
    const of = (phase: Phase) => ({
      readOnly: kinds.of({ phase, request_kind: "readOnly" }),
      mutating: kinds.of({ phase, request_kind: "mutating" }),
    });
    this.#kinds = { executing: of("executing"), waiting: of("waiting") };
    fairness.observe((level) => this.#changed(level));
  }

  #changed(level: Level): void {
    const { seatsInUse, seatsWaiting, executing, waiting, waiting_max } = level.queueSet;
    // An exempt level may have none: a tenth of all then (upstream's).
    const seats = level.current || Math.max(1, Math.round(this.#fairness.seats / 10));
    const of = this.#of(level);
    of.demand.set((seatsInUse + seatsWaiting) / seats);
    of.seats.set(seatsInUse / seats);
    of.executing.set(executing / seats);
    of.waiting.set(waiting / Math.max(1, waiting_max));
  }

  #of(level: Level): OfLevel {
    const { demand, seats, requests } = this.#families;
    const labels = { priority_level: level.name };
    return this.#levels.of(level.name, () => ({
      demand: demand.of(labels),
      seats: seats.of({ ...labels, phase: "executing" }),
      executing: requests.of({ ...labels, phase: "executing" }),
      waiting: requests.of({ ...labels, phase: "waiting" }),
    }));
  }

  /** Sets how many requests of a kind there are now. */
  set(kind: RequestKind, phase: Phase, requests: number): void {
    const { seats, levels } = this.#fairness;
    const waiting_max = levels.reduce((sum, { queueSet }) => sum + queueSet.waiting_max, 0);
    const most = phase === "executing" ? seats : waiting_max;
    this.#kinds[phase][kind].set(requests / Math.max(1, most));
  }
}
