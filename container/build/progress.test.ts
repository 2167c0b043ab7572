import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { progressOf } from "./progress.ts";

test("a step's output is printed in whole lines, of whole characters", () => {
  const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  onTestFinished(() => write.mockRestore());
  const step = progressOf("plain", new ManualClock())("RUN x\ny");
  const bytes = Buffer.from(`é\n${"x".repeat(9_000)}`);
  step.output(bytes.subarray(0, 1));
  step.output(bytes.subarray(1));
  step.output(Buffer.from("end"));
  step.done("DONE");
  const lines = ["RUN x", "0.0 é", `0.0 ${"x".repeat(9_000)}`, "0.0 end", "DONE 0.0s"];
  expect(write.mock.calls.map(([line]) => line)).toEqual(lines.map((line) => `#1 ${line}\n`));
});
