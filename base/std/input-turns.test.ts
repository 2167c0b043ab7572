import { expect, test } from "vitest";
import { ManualClock } from "./clock.ts";
import { InputTurns } from "./input-turns.ts";
import { INPUT_TURN_MS } from "./limits.ts";

/** Sources whose every chunk costs `cost_ms`. */
function sources(clock: ManualClock, cost_ms: number) {
  const turns = new InputTurns(clock);
  const taken: string[] = [];
  const paused = new Set<string>();
  const send = (name: string, chunk: string, owner?: string) => {
    const source = { pause: () => paused.add(name), resume: () => paused.delete(name) };
    turns.receive(
      source,
      () => {
        clock.advance(cost_ms);
        taken.push(`${name}${chunk}`);
        return true;
      },
      owner,
    );
  };
  return { send, taken, paused };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("input beyond a turn's time waits for later turns, in order, its source paused", async () => {
  const { send, taken, paused } = sources(new ManualClock(), INPUT_TURN_MS / 2);
  for (const name of ["a", "b", "c", "d", "e", "f"]) send(name, "1");
  expect(taken).toEqual(["a1", "b1"]);
  expect([...paused]).toEqual(["c", "d", "e", "f"]);
  const seen = [taken.length];
  while (taken.length < 7) {
    await turn();
    // Later input does not overtake.
    if (seen.length === 1) send("a", "2");
    seen.push(taken.length);
  }
  expect(taken).toEqual(["a1", "b1", "c1", "d1", "e1", "f1", "a2"]);
  expect(paused.size).toBe(0);
  // No turn took more than fits into its time.
  for (const [i, count] of seen.entries()) expect(count - (seen[i - 1] ?? 0)).toBeLessThan(3);
});

test("the input of an owner with many sources waits for one of each other owner's", async () => {
  const { send, taken } = sources(new ManualClock(), INPUT_TURN_MS);
  for (const name of ["a", "b", "c", "d"]) send(name, "1", "many");
  send("e", "1", "one");
  while (taken.length < 5) await turn();
  expect(taken).toEqual(["a1", "b1", "e1", "c1", "d1"]);
});

test("work that input sets going counts in its turn", async () => {
  const clock = new ManualClock();
  const turns = new InputTurns(clock);
  const source = { pause: () => undefined, resume: () => undefined };
  let taken = 0;
  const slow = () => {
    taken++;
    void Promise.resolve().then(() => clock.advance(INPUT_TURN_MS));
    return true;
  };
  for (let i = 0; i < 5; i++) {
    // As after each callback of a socket: its promises go first.
    turns.receive(source, slow);
    await Promise.resolve();
  }
  const seen = [taken];
  while (taken < 5) {
    await turn();
    seen.push(taken);
  }
  for (const [i, count] of seen.entries()) expect(count - (seen[i - 1] ?? 0)).toBeLessThan(2);
});
