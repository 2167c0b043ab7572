import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { callThread } from "./call.ts";

const ECHO = `
  const { parentPort } = require("node:worker_threads");
  parentPort.on("message", ({ port, say }) => {
    if (say !== undefined) port.postMessage(say);
    else port.once("message", (message) => port.postMessage(message));
  });
`;
const ENDED = new Error("the thread ended");

function started(program: string): Worker {
  const worker = new Worker(program, { eval: true });
  worker.on("error", (thrown) => {
    throw thrown;
  });
  return worker;
}

it("a thread answers each call on its own port, and receives an abort", async () => {
  const worker = started(ECHO);
  const abort = new AbortController();
  const aborted = callThread(worker, {}, ENDED, abort.signal);
  const calls = ["a", "b"].map((say) => callThread(worker, { say }, ENDED));
  expect(await Promise.all(calls)).toEqual(["a", "b"]);
  abort.abort();
  expect(await aborted).toBe("abort");
  await worker.terminate();
});

it.each([
  ["has read", ECHO],
  ["has not read", "setInterval(() => undefined, 1_000_000);"],
])("a call that a thread %s before its end is rejected", async (_, program) => {
  const worker = started(program);
  const answered = program === ECHO ? await callThread(worker, { say: "here" }, ENDED) : "here";
  expect(answered).toBe("here");
  const call = callThread(worker, {}, ENDED);
  const rejected = expect(call).rejects.toBe(ENDED);
  await worker.terminate();
  await rejected;
});

it("a message that cannot be cloned is an error of its call", async () => {
  const worker = started(ECHO);
  await expect(callThread(worker, { say: () => 0 }, ENDED)).rejects.toThrow("could not be cloned");
  await worker.terminate();
});
