import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { RECURRING_MS } from "./limits.ts";
import type { LogFields } from "./log.ts";
import { recurring } from "./recurring.ts";

test("a warning is logged at first, then from time to time with the number of times", () => {
  const clock = new ManualClock();
  const lines: unknown[] = [];
  const warn = (message: string, fields?: LogFields) => void lines.push([message, fields]);
  const refused = recurring({ warn }, "refused", clock);
  for (let i = 0; i < 100; i++) refused({ client: i });
  clock.advance(RECURRING_MS);
  refused({ client: 100 });
  expect(lines).toEqual([
    ["refused", { client: 0, times: 1 }],
    ["refused", { client: 100, times: 100 }],
  ]);
});
