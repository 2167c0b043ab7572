import { once } from "node:events";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { INPUT_TURN_MS } from "@raft2kube/std/limits.ts";
import { expect, test } from "vitest";
import { PIECES_OF_TURN_MAX } from "./limits.ts";
import { PacedSocket } from "./paced-socket.ts";

const idle = { pause: () => undefined, resume: () => undefined };

/** A connection, and what was done to its native part. */
function connection(turns: Pick<InputTurns, "receive">, owner: string) {
  const done: string[] = [];
  const act = (what: string) => () => done.push(what);
  const native = { reading: true, readStop: act("stop"), readStart: act("start") };
  const socket = Object.assign(new PassThrough(), { _handle: native });
  const paced = new PacedSocket(socket as unknown as Socket, turns, owner);
  const come = (piece: string) => socket.emit("data", Buffer.from(piece));
  return { done, native, paced, socket, come };
}

test("records of a read that is over its turn are one piece, before its end; no more is read", async () => {
  const clock = new ManualClock();
  const turns = new InputTurns(clock);
  const { done, paced, socket, come } = connection(turns, "a");
  const pieces: string[] = [];
  paced.on("data", (piece) => pieces.push(String(piece)));
  turns.receive(idle, () => (clock.advance(INPUT_TURN_MS), true));
  for (const piece of "abc") come(piece);
  expect(done).toEqual(["stop"]);
  socket.emit("end");
  await once(paced, "end");
  expect(pieces).toEqual(["a", "bc"]);
});

test("connections of an owner are not read on in a turn in which many pieces came", async () => {
  const now = { receive: (_: unknown, take: () => boolean) => void take() };
  const [a, beside, other] = ["one", "one", "other"].map((owner) => connection(now, owner));
  const done = () => [a, beside, other].map((each) => each!.done.splice(0).join());
  for (let i = 1; i < PIECES_OF_TURN_MAX; i++) a!.come("x");
  expect(done()).toEqual(["", "", ""]);
  a!.come("x");
  expect(done()).toEqual(["stop", "stop", ""]);
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  await turn();
  await turn();
  expect(done()).toEqual(["start", "start", ""]);
  // Of a connection that is not made yet, Node would take the second start for an error.
  a!.native.reading = false;
  for (let i = 0; i < PIECES_OF_TURN_MAX; i++) a!.come("x");
  await turn();
  await turn();
  expect(done()).toEqual(["stop", "stop,start", ""]);
});

test("neither an end nor a close overtakes input that waits for its turn", async () => {
  const clock = new ManualClock();
  const turns = new InputTurns(clock);
  const socket = new PassThrough();
  const paced = new PacedSocket(socket as unknown as Socket, turns);
  // Another connection has used up this turn.
  turns.receive(idle, () => (clock.advance(INPUT_TURN_MS), true));
  socket.write("last");
  socket.end();
  await once(socket, "end");
  socket.destroy();
  expect(await text(paced)).toBe("last");
});
