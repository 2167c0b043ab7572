import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { EVICTION_PAUSE_MS, SLOW_EVICTION_PAUSE_MS, SMALL_ZONE_NODES_MAX } from "../limits.ts";
import { EvictionPace, evictionPause } from "./eviction-pace.ts";

function zoneOf(unready: number, ready: number, zone = "z"): Node[] {
  return Array.from({ length: unready + ready }, (_, at) => ({
    metadata: { name: `${zone}${at}`, labels: { "topology.kubernetes.io/zone": zone } },
    spec: {},
    status: { conditions: [{ type: "Ready", status: at < unready ? "Unknown" : "True" }] },
  }));
}

const LARGE = SMALL_ZONE_NODES_MAX + 1;

test.each([
  ["two of three", 2, 1, EVICTION_PAUSE_MS],
  ["three of six", 3, 3, EVICTION_PAUSE_MS],
  ["three of five", 3, 2, Infinity],
  ["most of a large zone", LARGE - 1, 1, SLOW_EVICTION_PAUSE_MS],
  ["all of a zone", 5, 0, EVICTION_PAUSE_MS],
])("the pause with nodes not ready: %s", (_, unready, ready, expected) => {
  expect(evictionPause(zoneOf(unready, ready))).toBe(expected);
});

test("nodes with the label do not count", () => {
  const nodes = zoneOf(3, 2);
  nodes[0]!.metadata.labels!["node.kubernetes.io/exclude-disruption"] = "";
  expect(evictionPause(nodes)).toBe(EVICTION_PAUSE_MS);
});

test("one node of each zone after another is let through", () => {
  const pace = new EvictionPace();
  const [a, b] = [zoneOf(2, 3, "a"), zoneOf(1, 3, "b")];
  const take = (node: Node, now_ms: number) => pace.take(node, [...a, ...b], now_ms);
  expect(take(a[0]!, 0)).toBe(0);
  expect(take(a[1]!, 1_000)).toBe(EVICTION_PAUSE_MS - 1_000);
  expect(take(b[0]!, 1_000)).toBe(0);
  expect(take(a[1]!, EVICTION_PAUSE_MS)).toBe(0);
});

test("no node of a zone that is at fault is let through", () => {
  const nodes = zoneOf(3, 2);
  expect(new EvictionPace().take(nodes[0]!, nodes, 0)).toBe(EVICTION_PAUSE_MS);
});
