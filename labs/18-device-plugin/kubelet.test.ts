import { expect, it } from "vitest";
import { withBench } from "./kubelet.ts";

it("a body that is not written yet keeps its own place, and has none after a call", async () => {
  const unwritten = new Error("lab 18: restore is not written yet");
  const own = withBench(() => Promise.reject(unwritten)).catch((thrown: unknown) => thrown);
  expect(await own).toBe(unwritten);
  const answer = new Error(`2 UNKNOWN: ${unwritten.message}`);
  const called = withBench(() => Promise.reject(answer)).catch((thrown: unknown) => thrown);
  expect(await called).toMatchObject({ message: unwritten.message, stack: unwritten.message });
});
