import { ManualClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import {
  METRICS_FIRST_WINDOW_MS,
  METRICS_IDLE_MS,
  METRICS_INTERVAL_MS,
  METRICS_WAIT_MS,
} from "../../limits.ts";
import { Scraper } from "./scraper.ts";

/** A scraper of two nodes on a clock of its own; `asked` are the nodes in order. */
function start(failing: ReadonlySet<string> = new Set()) {
  const clock = new ManualClock(1_000_000);
  const asked: string[] = [];
  const scraper = new Scraper({
    clock,
    nodes: async () => ["n1", "n2"],
    async scrape(node) {
      asked.push(node);
      if (failing.has(node)) throw new CodedError("Refused", "no answer");
      const cpu_ns = clock.now() * 1e5;
      const point = { time_ms: clock.now(), start_ms: 0, cpu_ns, memory_bytes: 1 };
      return { node: point, pods: new Map() };
    },
  });
  return { clock, asked, scraper };
}

/** Lets pending promises settle. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

async function advance(clock: ManualClock, ms: number): Promise<void> {
  await settle();
  clock.advance(ms);
  await settle();
}

test("the first question starts it, and is answered after two scrapes", async () => {
  const { clock, asked, scraper } = start();
  await advance(clock, METRICS_IDLE_MS);
  expect(asked).toEqual([]);
  const answer = scraper.windows();
  await advance(clock, METRICS_FIRST_WINDOW_MS);
  const windows = await answer;
  expect([...windows.keys()]).toEqual(["n1", "n2"]);
  const { last, before } = windows.get("n1")!;
  expect(last.node!.time_ms - before.node!.time_ms).toBe(METRICS_FIRST_WINDOW_MS);
  await scraper.close();
});

test("it continues while there are requests, and stops some time after the last", async () => {
  const { clock, asked, scraper } = start();
  void scraper.windows();
  await advance(clock, METRICS_FIRST_WINDOW_MS);
  for (let round = 0; round < 3; round++) await advance(clock, METRICS_INTERVAL_MS);
  expect(asked.length).toBe(2 * 5);
  await scraper.windows();
  for (let spent_ms = 0; spent_ms <= 2 * METRICS_IDLE_MS; spent_ms += METRICS_INTERVAL_MS) {
    await advance(clock, METRICS_INTERVAL_MS);
  }
  const scrapes = Math.floor(METRICS_IDLE_MS / METRICS_INTERVAL_MS);
  expect(asked.length).toBe(2 * (5 + scrapes));
  const answer = scraper.windows();
  await advance(clock, METRICS_FIRST_WINDOW_MS);
  expect((await answer).size).toBe(2);
  await scraper.close();
});

test("a node that does not answer delays no other, and keeps no old usage", async () => {
  const failing = new Set<string>();
  const { clock, scraper } = start(failing);
  void scraper.windows();
  await advance(clock, METRICS_FIRST_WINDOW_MS);
  failing.add("n2");
  await advance(clock, METRICS_INTERVAL_MS);
  expect([...(await scraper.windows()).keys()]).toEqual(["n1"]);
  await scraper.close();
});

test("a question is answered without usage rather than late", async () => {
  const clock = new ManualClock(1_000_000);
  let answer = () => {};
  const scraper = new Scraper({
    clock,
    nodes: async () => ["n1"],
    scrape: () =>
      new Promise((resolve) => {
        answer = () => resolve({ node: undefined, pods: new Map() });
      }),
  });
  const asked = scraper.windows();
  await advance(clock, METRICS_WAIT_MS);
  expect((await asked).size).toBe(0);
  const closed = scraper.close();
  answer();
  await closed;
});
