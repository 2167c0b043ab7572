import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { ManualClock } from "./clock.ts";
import { inSlices, LongTurns, nextTurn, Slices, turn } from "./slices.ts";

// Turns of an earlier test are over.
beforeEach(() => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))));

it("other events are processed between the slices of long work, not within one", async () => {
  const clock = new ManualClock();
  const order: string[] = [];
  function* work(): Generator<void, string> {
    for (const step of ["a", "b", "c", "d", "e"]) {
      order.push(step);
      clock.advance(4);
      yield;
    }
    return "done";
  }
  setImmediate(() => order.push("other"));
  const result = inSlices(work(), new Slices(clock));
  expect(await result).toBe("done");
  expect(order).toEqual(["a", "b", "c", "other", "d", "e"]);
});

it("of much work that waits, a turn does some, and other events come between", async () => {
  const order: string[] = [];
  const work = async (name: string) => {
    const slices = new Slices();
    await slices.pause();
    while (!slices.due);
    order.push(name);
  };
  const all = ["a", "b", "c"].map(work);
  const others = ["1", "2"].map(
    (name, at) =>
      new Promise<void>((resolve) => {
        let turns = 0;
        const next = () => (turns++ < at ? setImmediate(next) : resolve(void order.push(name)));
        setImmediate(next);
      }),
  );
  await Promise.all([...all, ...others]);
  expect(order).toEqual(["a", "1", "b", "2", "c"]);
});

it("short pieces of work share a turn", async () => {
  const order: string[] = [];
  const work = async (name: string) => {
    await nextTurn();
    order.push(name);
  };
  const all = ["a", "b", "c"].map(work);
  const other = new Promise<void>((resolve) => setImmediate(() => resolve(void order.push("1"))));
  await Promise.all([...all, other]);
  expect(order).toEqual(["a", "b", "c", "1"]);
});

it("a long step is followed by as much time for others, and owners take turns", async () => {
  const clock = new ManualClock();
  const turns = new LongTurns(clock);
  const order: string[] = [];
  const work = async (owner: string, took_ms: number) => {
    await turns.next(owner);
    // Steps that the turn leads to count, however many there are.
    for (let step = 0; step < 4; step++) await Promise.resolve();
    clock.advance(took_ms);
    order.push(owner);
  };
  const others = async () => {
    for (let each = 0; each < 10; each++) await turn();
  };
  const all = [work("a", 100), work("a", 5), work("a", 5), work("b", 5)];
  await others();
  expect(order).toEqual(["a"]);
  clock.advance(99);
  await others();
  expect(order).toEqual(["a"]);
  clock.advance(1);
  await Promise.all(all);
  expect(order).toEqual(["a", "a", "b", "a"]);
});

it.each([
  [41, "a", ["a"]],
  [15, "a", []],
  [41, undefined, []],
])("after a slice of %d ms of the owner %s the next takes the long turns of %j", async (...row) => {
  const [took_ms, owner, taken] = row;
  const next = vi.spyOn(LongTurns.prototype, "next").mockResolvedValue();
  onTestFinished(() => next.mockRestore());
  const clock = new ManualClock();
  const slices = new Slices(clock, owner);
  clock.advance(took_ms);
  await slices.pause();
  expect(next.mock.calls.flat()).toEqual(taken);
});
