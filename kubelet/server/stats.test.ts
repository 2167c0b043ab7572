import { ContainerStats } from "@raft2kube/proto/gen/cri.ts";
import { expect, test } from "vitest";
import { pressuresOf } from "./stats.ts";

test("stalls of CRI are nanoseconds; a resource without them has none", () => {
  const stalls = { Total: 5_000_000, Avg10: 1.5, Avg60: 0, Avg300: 0 };
  const stats = { io: { timestamp: 1n, psi: { Some: stalls, Full: stalls } } };
  const { io, ...others } = pressuresOf(ContainerStats.decode(ContainerStats.encode(stats)));
  expect(io?.some).toEqual({ avg10: 1.5, avg60: 0, avg300: 0, total_us: 5000 });
  expect(others).toEqual({});
});
