import { PassThrough, Writable } from "node:stream";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { EXEC_DRAIN_MS } from "../limits.ts";
import { copyOutput, drained } from "./output.ts";

/** Lets the event loop do what is due. */
const turn = () => new Promise<void>((pass) => void setImmediate(pass));

/** A client that takes a chunk each time it is asked to. */
function slowClient() {
  const taken: Buffer[] = [];
  const waiting: (() => void)[] = [];
  const stream = new Writable({
    highWaterMark: 8,
    write(chunk: Buffer, _, done) {
      taken.push(chunk);
      waiting.push(done);
    },
  });
  return { stream, taken, take: () => waiting.shift()?.() };
}

it("a client that reads slowly gets all of the output of a command that has ended", async () => {
  const clock = new ManualClock();
  const command = new PassThrough({ highWaterMark: 1 << 20 });
  for (let i = 0; i < 20; i++) command.write("0123456789");
  const client = slowClient();
  const copy = copyOutput(command, client.stream);
  command.end();
  let copied = 0;
  const end = drained([copy], clock, new AbortController().signal).then(() => {
    copied = copy.bytes();
  });
  while (client.taken.length < 20) {
    for (let i = 0; i < 5; i++) {
      await turn();
      clock.advance(EXEC_DRAIN_MS);
    }
    client.take();
    await turn();
  }
  client.take();
  await end;
  expect(copied).toBe(200);
  expect(String(Buffer.concat(client.taken))).toBe("0123456789".repeat(20));
});

it("a child of the command that keeps its output open does not hold the end", async () => {
  const clock = new ManualClock();
  const command = new PassThrough();
  const client = new PassThrough().resume();
  const copy = copyOutput(command, client);
  command.write("out");
  let over = false;
  const end = drained([copy], clock, new AbortController().signal).then(() => (over = true));
  for (let i = 0; i < 3 && !over; i++) {
    await turn();
    clock.advance(EXEC_DRAIN_MS);
    await turn();
  }
  await end;
  expect(copy.bytes()).toBe(3);
});

it("a client that has gone is not waited for", async () => {
  const gone = new AbortController();
  const client = slowClient();
  const command = new PassThrough();
  command.write("0123456789");
  const end = drained([copyOutput(command, client.stream)], new ManualClock(), gone.signal);
  gone.abort();
  await end;
});

it("an output is copied in its turns, its end after all of it", async () => {
  const waiting: (() => boolean)[] = [];
  const turns = { receive: (_: unknown, take: () => boolean) => void waiting.push(take) };
  const command = new PassThrough();
  const client = new PassThrough();
  const copy = copyOutput(command, client, turns);
  let over = false;
  void copy.ended.then(() => (over = true));
  command.end("output");
  while (waiting.length < 2) await turn();
  expect([client.readableLength, copy.bytes(), over]).toEqual([0, 0, false]);
  for (const take of waiting) take();
  await copy.ended;
  expect(String(client.read())).toBe("output");
});
