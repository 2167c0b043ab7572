import { existsSync } from "node:fs";
import type { Init } from "@raft2kube/proto/codec.ts";
import { Watch, type WatchRequest, type WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { MERGED_EVENTS_BYTES, STREAM_QUEUE_BYTES_MAX } from "@raft2kube/store/limits.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { bytes, endOf, shorthand } from "./fixture.ts";
import {
  ETCD_36_PROGRAM,
  type Implementation,
  type Running,
  served,
  upstream36,
} from "./implementations.ts";
import { Requests } from "./requests.ts";

const STREAMS = 10;
const WATCHES_PER_STREAM = 500;
const WATCHES = STREAMS * WATCHES_PER_STREAM;
/** Number of streams whose reader pauses. */
const SLOW_STREAMS = 2;
const PUTS = 20;
const VALUE_BYTES = 500;
const PREFIX = "many/";
const REPORTED_MS = 120_000;

/** A stream of many watches of the same keys. */
class ManyWatches {
  readonly #requests = new Requests<Init<WatchRequest>>();
  readonly #responses: AsyncIterator<WatchResponse>;
  /** The versions that each watch received, in order. */
  readonly seen = new Map<bigint, number[]>();

  constructor(channel: Channel) {
    const stream = client(channel, Watch).watch(this.#requests);
    this.#responses = stream[Symbol.asyncIterator]();
  }

  async create(): Promise<void> {
    const range = { key: bytes(PREFIX), rangeEnd: endOf(PREFIX) };
    for (let i = 0; i < WATCHES_PER_STREAM; i++) this.#requests.send({ createRequest: range });
    while (this.seen.size < WATCHES_PER_STREAM) {
      const { watchId, created } = await this.#next();
      if (created) this.seen.set(watchId, []);
    }
  }

  /** Reads until every watch has received every put. */
  async takeAll(): Promise<void> {
    let left = WATCHES_PER_STREAM * PUTS;
    while (left > 0) {
      const { watchId, events } = await this.#next();
      left -= events.length;
      for (const { kv } of events) this.seen.get(watchId)!.push(kv!.version);
    }
  }

  async end(): Promise<void> {
    this.#requests.end();
    await this.#responses.return?.();
  }

  async #next(): Promise<WatchResponse> {
    const { value, done } = await this.#responses.next();
    if (done) throw new Error("the watch stream ended");
    return value as WatchResponse;
  }
}

/** Reads a member's metrics of its watches. */
async function watchMetrics({ endpoint }: Running) {
  const page = await (await fetch(`${endpoint}/metrics`)).text();
  const of = (name: string) =>
    Number(new RegExp(`^etcd_debugging_mvcc_${name} (.*)$`, "m").exec(page)![1]);
  return {
    watches: of("watcher_total"),
    streams: of("watch_stream_total"),
    slow: of("slow_watcher_total"),
    pending: of("pending_events_total"),
  };
}

/** The events that watches with paused readers may have. */
interface Stalled {
  readonly slow_min: number;
  /** Events that wait for them. */
  readonly pending_max: number;
}

function manyRules({ start }: Implementation, { slow_min, pending_max }: Stalled): void {
  let running: Running;
  let channel: Channel;
  beforeAll(async () => {
    running = await start();
    channel = connectGrpc(running.endpoint!);
  });
  afterAll(async () => {
    channel.close();
    await running.stop();
  });

  test(
    `${WATCHES} watches of one connection get all events, past slow readers`,
    async () => {
      const { put } = shorthand(running.client);
      const streams = Array.from({ length: STREAMS }, () => new ManyWatches(channel));
      await Promise.all(streams.map((stream) => stream.create()));
      expect(await watchMetrics(running)).toEqual({
        watches: WATCHES,
        streams: STREAMS,
        slow: 0,
        pending: 0,
      });
      const [slow, fast] = [streams.slice(0, SLOW_STREAMS), streams.slice(SLOW_STREAMS)];
      const taken = Promise.all(fast.map((stream) => stream.takeAll()));
      for (let i = 0; i < PUTS; i++) await put(`${PREFIX}k`, "x".repeat(VALUE_BYTES));
      await taken;
      const stalled = await watchMetrics(running);
      expect(stalled.watches).toBe(WATCHES);
      expect(stalled.slow).toBeGreaterThanOrEqual(slow_min);
      expect(stalled.slow).toBeLessThanOrEqual(SLOW_STREAMS * WATCHES_PER_STREAM);
      expect(stalled.pending).toBeLessThanOrEqual(pending_max);
      await Promise.all(slow.map((stream) => stream.takeAll()));
      const versions = Array.from({ length: PUTS }, (_, i) => i + 1).join();
      for (const { seen } of streams) {
        for (const each of seen.values()) expect(each.join()).toBe(versions);
      }
      const caughtUp = async () => {
        const { slow: behind, pending } = await watchMetrics(running);
        return behind <= 0 && pending === 0;
      };
      await waitFor("the slow ones to catch up", caughtUp, { timeout_ms: REPORTED_MS });
      await Promise.all(streams.map((stream) => stream.end()));
      const gone = async () => (await watchMetrics(running)).watches === 0;
      await waitFor("the watches to end", gone, { timeout_ms: REPORTED_MS });
    },
    2 * REPORTED_MS,
  );
}

/** A stream is full at its bound, and takes one response more at most. */
const OUR_PENDING_MAX =
  (SLOW_STREAMS * (STREAM_QUEUE_BYTES_MAX + MERGED_EVENTS_BYTES)) / VALUE_BYTES;

/** etcd may take a watch from its gauge that it never added: then that is below zero. */
const ETCD_STALLED = { slow_min: -Infinity, pending_max: Infinity };

describe("thousands of watches", () =>
  manyRules(served, { slow_min: 1, pending_max: OUR_PENDING_MAX }));
describe.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6", () => manyRules(upstream36, ETCD_STALLED));
