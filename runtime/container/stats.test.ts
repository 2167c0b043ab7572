import { expect, test } from "vitest";
import { groupUsage } from "./stats.ts";

test("stalls are reported in CRI's nanoseconds, and not at all where the kernel has none", () => {
  const bytes = { usage_bytes: 1, workingSet_bytes: 1, rss_bytes: 1, limit_bytes: undefined };
  const stalls = { avg10: 1.5, avg60: 0, avg300: 0, total_us: 5000 };
  const usage = {
    ...{ cpu_ns: 1, pids: 1, memory: { ...bytes, pageFaults: 0, majorPageFaults: 0 } },
    pressure: { io: { some: stalls, full: stalls } },
  };
  const { cpu, io } = groupUsage(usage, 1n);
  expect(io?.psi?.Some).toEqual({ Total: 5_000_000, Avg10: 1.5, Avg60: 0, Avg300: 0 });
  expect(cpu).not.toHaveProperty("psi");
});
