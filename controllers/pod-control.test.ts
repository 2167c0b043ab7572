import { expect, test } from "vitest";
import { slowStart } from "./pod-control.ts";

test("batches double while all goes well", async () => {
  let calls = 0;
  expect(await slowStart(10, async () => void calls++)).toEqual({ done: 10 });
  expect(calls).toBe(10);
});

test("a failure ends it after its batch: 1 + 2 + 4 calls, not 100", async () => {
  let calls = 0;
  const result = await slowStart(100, async () => {
    calls++;
    if (calls === 4) throw new Error("quota");
  });
  expect(calls).toBe(7);
  expect(result.done).toBe(6);
  expect(result.error).toMatchObject({ message: "quota" });
});
