import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { checkLinearizability, type Model, type Operation } from "./linearizability.ts";

type Call = { write: number } | "read";
const REGISTER: Model<number, Call, number | undefined> = {
  initial: 0,
  equal: (a, b) => a === b,
  hash: (state) => state,
  step(state, call, answer) {
    if (call !== "read") return call.write;
    return answer === state ? state : undefined;
  },
};

type Line = [began: number, ended: number, call: Call, answer?: number];
const history = (...lines: Line[]): Operation<Call, number | undefined>[] =>
  lines.map(([began, ended, input, output]) => ({ began, ended, input, output }));
const verdict = (...lines: Line[]) => checkLinearizability(REGISTER, history(...lines));

test("known good: reads see the last write, or one of those under way", () => {
  expect(verdict()).toEqual({ linearizable: true });
  const one = verdict([1, 2, { write: 1 }], [3, 4, "read", 1]);
  expect(one.linearizable).toBe(true);
  const during = verdict([1, 9, { write: 1 }], [2, 3, "read", 0], [4, 5, "read", 1]);
  expect(during.linearizable).toBe(true);
  const crossed = verdict(
    [1, 8, { write: 1 }],
    [2, 9, { write: 2 }],
    [3, 4, "read", 2],
    [5, 6, "read", 1],
  );
  expect(crossed.linearizable).toBe(true);
});

test("known good: a write without an answer may have happened, late, or never", () => {
  const late = verdict([1, Infinity, { write: 1 }], [2, 3, "read", 0], [4, 5, "read", 1]);
  expect(late.linearizable).toBe(true);
  const never = verdict([1, Infinity, { write: 1 }], [2, 3, "read", 0]);
  expect(never.linearizable).toBe(true);
});

test("known bad: a read from the past", () => {
  expect(verdict([1, 2, { write: 1 }], [3, 4, "read", 0])).toEqual({
    linearizable: false,
    prefix: [0],
    stuck: [1],
  });
});

test("known bad: two readers see two writes in two orders", () => {
  const split = verdict(
    [1, 20, { write: 1 }],
    [2, 21, { write: 2 }],
    [3, 4, "read", 1],
    [5, 6, "read", 2],
    [7, 8, "read", 1],
  );
  expect(split.linearizable).toBe(false);
});

test("known bad: a value goes back, and one that was never written", () => {
  const back = verdict([1, 9, { write: 1 }], [2, 3, "read", 1], [4, 5, "read", 0]);
  expect(back.linearizable).toBe(false);
  expect(verdict([1, 2, "read", 7]).linearizable).toBe(false);
});

test("a search that takes too long is given up and says so", () => {
  const lines = Array.from({ length: 12 }, (_, i): Line => [i, 100 + i, { write: i }]);
  const operations = history(...lines, [50, 200, "read", 99]);
  expect(checkLinearizability(REGISTER, operations, 1_000).linearizable).toBe("unknown");
});

test("states of one set of calls are compared only if their hashes are equal", () => {
  let compared = 0;
  let unequal = 0;
  const text: Model<string, string, undefined> = {
    initial: "",
    step: (state, letter) => state + letter,
    equal(a, b) {
      compared++;
      if (a !== b) unequal++;
      return a === b;
    },
    hash: (state) => [...state].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 0) | 0,
  };
  // The appends end in the reverse of the order that fits, so every order of them is tried.
  const letters = [..."abcdef"].map((input, i) => {
    return { began: i, ended: 100 + i, input, output: undefined };
  });
  const order: Model<string, string, undefined> = {
    ...text,
    step: (state, input) => (input === "?" ? (state === "fedcba" ? "" : undefined) : state + input),
  };
  const all = [...letters, { began: 50, ended: 99, input: "?", output: undefined }];
  expect(checkLinearizability(order, all)).toEqual({ linearizable: true });
  expect(compared).toBe(0);
  expect(checkLinearizability({ ...order, hash: () => 0 }, all)).toEqual({ linearizable: true });
  expect(unequal).toBeGreaterThan(1_000);
});

test("it agrees with trying every order, on short random histories", () => {
  let bad = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const operations = randomHistory(seed);
    const expected = someOrderFits(operations, new Set(), 0);
    expect(checkLinearizability(REGISTER, operations).linearizable, `seed ${seed}`).toBe(expected);
    if (!expected) bad++;
  }
  expect(bad).toBeGreaterThan(50);
  expect(bad).toBeLessThan(350);
});

function randomHistory(seed: number): Operation<Call, number | undefined>[] {
  const random = seededRandom(seed);
  return Array.from({ length: 6 }, () => {
    const began = random.next() * 10;
    const ended = random.next() < 0.1 ? Infinity : began + random.next() * 4;
    const value = 1 + Math.floor(random.next() * 2);
    const input: Call = random.next() < 0.5 ? { write: value } : "read";
    return { began, ended, input, output: value };
  });
}

/** The definition itself: some order that keeps real time and that the model answers alike. */
function someOrderFits(
  operations: readonly Operation<Call, number | undefined>[],
  placed: ReadonlySet<number>,
  state: number,
): boolean {
  const open = operations.map((_, i) => i).filter((i) => !placed.has(i));
  if (open.every((i) => operations[i]!.ended === Infinity)) return true;
  const firstEnd = Math.min(...open.map((i) => operations[i]!.ended));
  return open.some((i) => {
    const { began, input, output } = operations[i]!;
    const next = began <= firstEnd ? REGISTER.step(state, input, output) : undefined;
    return next !== undefined && someOrderFits(operations, new Set([...placed, i]), next);
  });
}
