import { expect, test } from "vitest";
import { planDestinations } from "./destinations.ts";

const one = { address: "10.244.0.1", port: 8080 };
const two = { address: "10.244.0.2", port: 8080 };
const idle = { weight: 1, activeConnections: 0, inactiveConnections: 0 };
const busy = { ...idle, activeConnections: 1 };

test("a destination that is missing or has weight 0 is set, one that is right is not", () => {
  const found = [{ ...one, ...idle, weight: 0 }];
  const set = [one, two].map((target) => ({ ...target, weight: 1 }));
  expect(planDestinations("tcp", [one, two], found)).toEqual({ set, removed: [], leaving: [] });
  expect(planDestinations("tcp", [one], [{ ...one, ...busy }]).set).toEqual([]);
});

test("a destination leaves with weight 0 while it has connections, then it is removed", () => {
  const first = planDestinations("tcp", [], [{ ...one, ...busy }]);
  expect(first).toEqual({ set: [{ ...one, weight: 0 }], removed: [], leaving: [one] });
  const later = planDestinations("tcp", [], [{ ...one, ...busy, weight: 0 }]);
  expect(later).toEqual({ set: [], removed: [], leaving: [one] });
  const last = planDestinations("tcp", [], [{ ...one, ...idle, weight: 0 }]);
  expect(last).toEqual({ set: [], removed: [{ ...one, weight: 0 }], leaving: [] });
});

test("a destination of UDP is removed at once", () => {
  const { removed } = planDestinations(
    "udp",
    [two],
    [
      { ...one, ...busy },
      { ...two, ...busy },
    ],
  );
  expect(removed).toEqual([{ ...one, weight: 1 }]);
});
