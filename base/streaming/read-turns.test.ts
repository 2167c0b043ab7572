import { expect, test } from "vitest";
import { PIECES_OF_TURN_MAX } from "./limits.ts";
import { ReadTurns } from "./read-turns.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A connection of an owner, and what was done to it. */
function connectionOf(turns: ReadTurns, owner: string) {
  const done: string[] = [];
  const source = { readStop: () => done.push("stop"), readStart: () => done.push("start") };
  return { done, connection: turns.add(source, owner) };
}

test("an owner with many pieces in a turn is read on: first where nothing came", async () => {
  const turns = new ReadTurns();
  const [a, beside, gone, other] = ["a", "a", "a", "b"].map((each) => connectionOf(turns, each));
  const done = () => [a, beside, gone, other].map((each) => each!.done.splice(0).join());
  const fill = (of: typeof a) => of!.connection.came(PIECES_OF_TURN_MAX);
  for (let i = 1; i < PIECES_OF_TURN_MAX; i++) a!.connection.came(1);
  expect(done()).toEqual(["", "", "", ""]);
  a!.connection.came(1);
  a!.connection.came(1);
  expect(done()).toEqual(["stop", "stop", "stop", ""]);
  gone!.connection.close();
  await turn();
  expect(done()).toEqual(["", "start", "", ""]);
  fill(beside);
  expect(done()).toEqual(["stop", "stop", "", ""]);
  await turn();
  expect(done()).toEqual(["", "", "", ""]);
  await turn();
  expect(done()).toEqual(["start", "start", "", ""]);
  fill(a);
  await turn();
  expect(done()).toEqual(["stop", "stop,start", "", ""]);
  await turn();
  expect(done()).toEqual(["start", "", "", ""]);
});
