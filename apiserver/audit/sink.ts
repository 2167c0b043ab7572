import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { AuditMetrics } from "../metrics/audit.ts";

const log = logger("apiserver");

/** Where events go, as lines of JSON. */
export interface Sink {
  /** `log` or `webhook`, in metrics. */
  readonly name: string;
  /** Resolves once the events are written. Throws if they are not. */
  write(events: readonly string[]): Promise<void>;
  close(): Promise<void> | void;
}

/** Takes single events: see `collected` and `blocking`. */
export interface Backend {
  /** Takes an event; resolves when its request may go on. Throws if the event is lost. */
  take(event: string): Promise<void> | void;
  /** Writes what is left, and closes. */
  close(): Promise<void>;
}

/** A backend, and what is given to it. */
export interface Target {
  readonly backend: Backend;
  /** Whether requests are refused whose events are lost before they are worked on. */
  readonly isStrict: boolean;
  /** Bytes of one event; longer ones lose their bodies. */
  readonly event_bytes_max: number;
}

export const MODES = ["batch", "blocking", "blocking-strict"] as const;
export type Mode = (typeof MODES)[number];

/** Counts the events that a sink lost, and logs the first of a series. */
export class Losses {
  readonly #name: string;
  readonly #metrics: AuditMetrics;
  #failing = false;

  constructor(name: string, metrics: AuditMetrics) {
    this.#name = name;
    this.#metrics = metrics;
  }

  lost(events: number, thrown: unknown): void {
    this.#metrics.errors.of({ plugin: this.#name }).add(events);
    if (this.#failing) return;
    this.#failing = true;
    const about = { to: this.#name, reason: messageOf(thrown) };
    log.error("audit events are lost; see apiserver_audit_error_total", about);
  }

  written(): void {
    if (this.#failing) log.info("audit events are written again", { to: this.#name });
    this.#failing = false;
  }
}
