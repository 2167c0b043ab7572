import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import {
  METRICS_FIRST_WINDOW_MS,
  METRICS_IDLE_MS,
  METRICS_INTERVAL_MS,
  METRICS_NODES_AT_ONCE_MAX,
  METRICS_WAIT_MS,
} from "../../limits.ts";
import { type NodePoints, nextWindow, type Window } from "./points.ts";

const log = logger("apiserver-metrics");

export interface ScraperOptions {
  readonly clock: Clock;
  /** The nodes there are, by name. */
  nodes(): Promise<readonly string[]>;
  scrape(node: string): Promise<NodePoints>;
}

/**
 * Scrapes the kubelets every METRICS_INTERVAL_MS until there was no request for METRICS_IDLE_MS.
 * The first request starts it with two scrapes, METRICS_FIRST_WINDOW_MS apart.
 */
export class Scraper {
  readonly #options: ScraperOptions;
  readonly #windows = new Map<string, Window>();
  readonly #failing = new Set<string>();
  #asked_ms = 0;
  readonly #scrapes: Runner;
  /** The first two scrapes, after which there are windows; undefined while idle. */
  #warm: { done: PromiseWithResolvers<void>; scrapes: number } | undefined;

  constructor(options: ScraperOptions) {
    this.#options = options;
    this.#scrapes = new Runner({
      clock: options.clock,
      run: () => this.#scrapeKubelets(),
      retry: { first_ms: METRICS_INTERVAL_MS, most_ms: METRICS_INTERVAL_MS },
      report: failureLog(log, "the nodes were not listed"),
    });
  }

  /** The windows of all nodes that answered, by name. */
  async windows(): Promise<ReadonlyMap<string, Window>> {
    const { clock } = this.#options;
    this.#asked_ms = clock.monotonic();
    if (this.#warm === undefined) {
      this.#warm = { done: Promise.withResolvers(), scrapes: 0 };
      this.#scrapes.request();
    }
    await resultWithin(clock, this.#warm.done.promise, METRICS_WAIT_MS);
    return this.#windows;
  }

  /** Stops scraping; waits for the round under way. */
  async close(): Promise<void> {
    this.#warm?.done.resolve();
    await this.#scrapes.close();
  }

  /** Scrapes all nodes; resolves with the pause until the next time. */
  async #scrapeKubelets(): Promise<number> {
    const { clock } = this.#options;
    const from_ms = clock.monotonic();
    if (from_ms - this.#asked_ms > METRICS_IDLE_MS) {
      this.#warm = undefined;
      this.#windows.clear();
      return Infinity;
    }
    const warm = this.#warm;
    await this.#scrapeAll();
    if (warm && ++warm.scrapes === 2) warm.done.resolve();
    const interval_ms = warm?.scrapes === 1 ? METRICS_FIRST_WINDOW_MS : METRICS_INTERVAL_MS;
    return Math.max(0, interval_ms - (clock.monotonic() - from_ms));
  }

  async #scrapeAll(): Promise<void> {
    const nodes = await this.#options.nodes();
    const known = new Set(nodes);
    for (const kept of [this.#windows, this.#failing]) {
      for (const node of kept.keys()) if (!known.has(node)) kept.delete(node);
    }
    let next = 0;
    const worker = async () => {
      for (let node = nodes[next++]; node !== undefined; node = nodes[next++]) {
        await this.#scrape(node);
      }
    };
    const workers = Math.min(METRICS_NODES_AT_ONCE_MAX, nodes.length);
    await Promise.all(Array.from({ length: workers }, worker));
  }

  /** A node that does not answer has no metrics: old ones would read as the use of now. */
  async #scrape(node: string): Promise<void> {
    try {
      const points = await this.#options.scrape(node);
      this.#windows.set(node, nextWindow(this.#windows.get(node), points));
      this.#failing.delete(node);
    } catch (thrown) {
      this.#windows.delete(node);
      if (this.#failing.has(node)) return;
      this.#failing.add(node);
      log.warn("a kubelet's metrics were not read", { node, reason: messageOf(thrown) });
    }
  }
}
