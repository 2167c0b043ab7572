// In a process of its own: it measures how much memory the process takes.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import { randomInteger, systemRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { fuzz } from "./fuzz.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

/** Short here; `npm run fuzz` is for long ones. */
const RUNS = 500;
/** A machine that does not get through its runs by then has done as many as it could. */
const TIME_MS = 60_000;
/** A reader that makes room for what a length promises would need far more. */
const MEMORY_GROWTH_BYTES_MAX = 256 * 1024 * 1024;

/** Seeds that failed once, and what they found. */
const CASES: readonly [target: string, seed: number, found: string][] = [];

const named = (name: string) => TARGETS.find((target) => target.name === name)!;

test.each(TARGETS.map(({ name }) => name))(
  "S8: %s refuses what it cannot take, and nothing else happens",
  async (name) => {
    const seed = randomInteger(systemRandom, 1, 2 ** 30);
    process.stdout.write(`${name}: ${RUNS} runs from seed ${seed}\n`);
    const before = process.memoryUsage().rss;
    const bounds = { seed, runs: RUNS, time_ms: TIME_MS };
    const { failure, taken, refused } = await fuzz(named(name), bounds);
    const again = `npm run fuzz -- ${name} --runs 1 --seed ${failure?.seed}`;
    expect(failure && `${again}: ${inspect(failure.thrown)}`).toBeUndefined();
    // Neither is every input refused at the door, nor is nothing looked at.
    expect(Math.min(taken, refused)).toBeGreaterThan(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_GROWTH_BYTES_MAX);
  },
  2 * TIME_MS,
);

/** Inputs that failed once, as text: one file each below `found/TARGET/`. */
const FOUND = join(import.meta.dirname, "found");

test.each(
  readdirSync(FOUND, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".hex")),
)("%s is taken or refused", async (path) => {
  const input = Buffer.from(readFileSync(join(FOUND, path), "utf8").replace(/\s/g, ""), "hex");
  const target = named(dirname(path));
  expect(await target.read(input)).toMatch(/^(taken|refused)$/);
  target.close?.();
});

test.each(CASES)("%s, seed %i: %s", async (name, seed) => {
  const { failure } = await fuzz(named(name), { seed, runs: 1 });
  expect(failure?.thrown).toBeUndefined();
});

test("the fuzzer finds a mistake, and its seed makes it again", async () => {
  const careless: Target = {
    name: "careless",
    corpus: () => Promise.resolve([Buffer.from("length 4: abcd")]),
    read: (bytes) => {
      if (bytes.includes(0xff)) throw new TypeError("did not expect that");
      return Promise.resolve("taken");
    },
  };
  const { failure } = await fuzz(careless, { seed: 1, runs: 10_000 });
  expect(failure?.thrown).toBeInstanceOf(TypeError);
  const again = await fuzz(careless, { seed: failure!.seed, runs: 1 });
  expect(again.failure?.input).toEqual(failure!.input);
});

/** A target that is busy, or waits, for each input. */
const busyFor = (wait: () => void): Target => ({
  name: "busy",
  corpus: () => Promise.resolve([Buffer.from("x")]),
  read: () => {
    wait();
    return Promise.resolve("taken");
  },
});

test("an input that computes for too long has failed, one on a busy machine has not", async () => {
  const limits = { seed: 1, runs: 1, inputTime_ms: 100 };
  const start = process.cpuUsage();
  const computing = busyFor(() => {
    while (process.cpuUsage(start).user < 200_000);
  });
  expect((await fuzz(computing, limits)).failure?.thrown).toMatchObject({ name: "SlowInput" });
  const idle = new Int32Array(new SharedArrayBuffer(4));
  const waiting = busyFor(() => void Atomics.wait(idle, 0, 0, 150));
  expect((await fuzz(waiting, limits)).failure).toBeUndefined();
});
