import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { EXEC_SYNC_ALL_BYTES, EXEC_SYNC_OUTPUT_BYTES, EXEC_SYNC_OWN_BYTES } from "../limits.ts";
import { ExecOutputs } from "./exec-output.ts";

const LARGE = Buffer.alloc(20 << 20, "x");

/** How much a call keeps of two streams with LARGE on each. */
function kept(output: ReturnType<ExecOutputs["hold"]>): number {
  const streams = [new PassThrough(), new PassThrough()];
  const texts = streams.map((stream) => output.collect(stream));
  for (const stream of streams) stream.emit("data", LARGE);
  return texts.reduce((sum, text) => sum + text().length, 0);
}

test("the output of all calls together is bounded, and each has some", () => {
  const outputs = new ExecOutputs();
  const calls = Array.from({ length: 100 }, () => outputs.hold());
  const sizes = calls.map((call) => kept(call));
  expect(sizes[0]).toBe(EXEC_SYNC_OUTPUT_BYTES);
  expect(sizes.at(-1)).toBe(EXEC_SYNC_OWN_BYTES);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  expect(all).toBe(EXEC_SYNC_ALL_BYTES + 100 * EXEC_SYNC_OWN_BYTES);
});

test("the budget of all calls can be smaller than that of one", () => {
  const outputs = new ExecOutputs(1_000);
  const [first, second] = [outputs.hold(), outputs.hold()];
  expect([kept(first), kept(second)]).toEqual([EXEC_SYNC_OWN_BYTES + 1_000, EXEC_SYNC_OWN_BYTES]);
});

test("an answered call returns its budget once", () => {
  const outputs = new ExecOutputs();
  for (let i = 0; i < 10; i++) {
    const call = outputs.hold();
    expect(kept(call)).toBe(EXEC_SYNC_OUTPUT_BYTES);
    call[Symbol.dispose]();
    call[Symbol.dispose]();
  }
  const calls = Array.from({ length: 10 }, () => outputs.hold());
  const all = calls.reduce((sum, call) => sum + kept(call), 0);
  expect(all).toBe(EXEC_SYNC_ALL_BYTES + 10 * EXEC_SYNC_OWN_BYTES);
});

test("what arrives in pieces is kept in order", () => {
  const stream = new PassThrough();
  using output = new ExecOutputs().hold();
  const text = output.collect(stream);
  const letters = Array.from({ length: 2_000 }, (_, i) => String.fromCharCode(97 + (i % 26)));
  for (const letter of letters) stream.emit("data", Buffer.from(letter));
  expect(text().toString()).toBe(letters.join(""));
});
