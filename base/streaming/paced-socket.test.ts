import { once } from "node:events";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { INPUT_TURN_MS } from "@raft2kube/std/limits.ts";
import { expect, test } from "vitest";
import { PacedSocket } from "./paced-socket.ts";

test("neither an end nor a close overtakes input that waits for its turn", async () => {
  const clock = new ManualClock();
  const turns = new InputTurns(clock);
  const idle = { pause: () => undefined, resume: () => undefined };
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
