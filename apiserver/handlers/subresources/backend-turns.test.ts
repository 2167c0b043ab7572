import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import type { Incoming } from "../../request/context.ts";
import { bodyInTurns } from "./backend-turns.ts";

const PIECES = 1_000;
const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** A context of a user, and a body that never ends: each read finds many pieces of one byte. */
const asker = (name: string) => ({
  user: { name, groups: [] },
  request: {} as Incoming,
  owner: { name },
});
const endless = () =>
  new Readable({
    highWaterMark: 1,
    read() {
      for (let i = 0; i < PIECES; i++) this.push("x");
    },
  }) as unknown as IncomingMessage;

test("what has come of an answer is one piece", async () => {
  const [first] = (await bodyInTurns(asker("a"), endless()).take(1).toArray()) as Buffer[];
  expect(first?.length).toBeGreaterThanOrEqual(PIECES);
});

test("a turn of the event loop takes one read, in rotation over the owners", async () => {
  const reads: string[] = [];
  const bodies = ["a", "a", "a", "a", "a", "a", "b"].map((name) => {
    return bodyInTurns(asker(name), endless()).on("data", () => reads.push(name));
  });
  let turns = 0;
  for (; reads.filter((name) => name === "b").length < 5; turns++) await nextTurn();
  for (const body of bodies) body.destroy();
  // Each body reads once before its first turn, and one piece ahead.
  expect(reads.length).toBeLessThanOrEqual(turns + 2 * bodies.length);
  expect(reads.filter((name) => name === "a").length).toBeLessThanOrEqual(5 + 2 * bodies.length);
});
