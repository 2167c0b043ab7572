import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import {
  METRICS_FIRST_WINDOW_MS, METRICS_IDLE_MS, METRICS_INTERVAL_MS, METRICS_NODES_AT_ONCE_MAX,
  METRICS_WAIT_MS,
} from "../../limits.ts";
import { nextWindow, type NodePoints, type Window } from "./points.ts";

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
  #timer: Timer | undefined;
  /** Resolves when there are windows; undefined while idle. */
  #warm: { done: Promise<void>; end(): void } | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /** The windows of all nodes that answered, by name. */
  async windows(): Promise<ReadonlyMap<string, Window>> {
    const { clock } = this.#options;
    this.#asked_ms = clock.monotonic();
    if (this.#closed) return this.#windows;
    if (this.#warm === undefined) this.#start();
    const waiting = this.#warm?.done;
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.after(METRICS_WAIT_MS, resolve);
    });
    await Promise.race([waiting, late]);
    timer?.cancel();
    return this.#windows;
  }

  /** Scrapes no more; waits for the round under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#warm?.end();
    await this.#running;
  }

  #start(): void {
    let end = () => {};
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#warm = { done, end };
    this.#round(1);
  }

  #round(number: number): void {
    const { clock } = this.#options;
    if (this.#closed) return;
    if (clock.monotonic() - this.#asked_ms > METRICS_IDLE_MS) {
      this.#warm = undefined;
      this.#windows.clear();
      return;
    }
    const from_ms = clock.monotonic();
    this.#running = this.#scrapeAll().then(() => {
      if (number === 2) this.#warm?.end();
      if (this.#closed) return;
      const interval_ms = number === 1 ? METRICS_FIRST_WINDOW_MS : METRICS_INTERVAL_MS;
      const left_ms = Math.max(0, interval_ms - (clock.monotonic() - from_ms));
      this.#timer = clock.after(left_ms, () => this.#round(number + 1));
    });
  }

  async #scrapeAll(): Promise<void> {
    let nodes: readonly string[];
    try {
      nodes = await this.#options.nodes();
    } catch (thrown) {
      return log.warn("the nodes were not listed", { reason: messageOf(thrown) });
    }
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
