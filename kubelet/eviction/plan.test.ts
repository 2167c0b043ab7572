import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { EVICTION_HARD } from "../options.ts";
import { admitsUnderPressure, chooseVictim, pressureOf, type Signals, shortages } from "./plan.ts";

const PLENTY: Signals = {
  memoryAvailable_bytes: 2 ** 30,
  nodefs: { available_bytes: 50, capacity_bytes: 100, inodesFree: 50, inodes: 100 },
  imagefs: { available_bytes: 50, capacity_bytes: 100 },
  processes: { most: 100, running: 50 },
};

function podOf(name: string, request: string | undefined, priority = 0): Pod {
  const resources = request ? { requests: { memory: request } } : {};
  return { metadata: { name, uid: name }, spec: { priority, containers: [{ name, resources }] } };
}

describe("shortages", () => {
  test.each<[string, Partial<Signals>, string[]]>([
    ["plenty", {}, []],
    ["memory", { memoryAvailable_bytes: 99 * 2 ** 20 }, ["memory"]],
    ["disk", { nodefs: { ...PLENTY.nodefs, available_bytes: 9 } }, ["ephemeral-storage"]],
    [
      "image disk",
      { imagefs: { available_bytes: 14, capacity_bytes: 100 } },
      ["ephemeral-storage"],
    ],
    ["inodes", { nodefs: { ...PLENTY.nodefs, inodesFree: 4 } }, ["inodes"]],
    ["processes", { processes: { most: 100, running: 91 } }, ["pids"]],
    ["no inode count", { nodefs: { ...PLENTY.nodefs, inodesFree: 0, inodes: 0 } }, []],
  ])("%s", (_, change, resources) => {
    const found = shortages({ ...PLENTY, ...change }, EVICTION_HARD);
    expect(found.map(({ resource }) => resource)).toEqual(resources);
    const disk = resources.some((name) => name === "ephemeral-storage" || name === "inodes");
    expect(pressureOf(found)).toEqual({
      memory: resources.includes("memory"),
      disk,
      pid: resources.includes("pids"),
    });
  });
});

test("a shortage is critical when less than half of what is kept is left", () => {
  const criticalAt = (available_bytes: number) =>
    shortages({ ...PLENTY, nodefs: { ...PLENTY.nodefs, available_bytes } }, EVICTION_HARD).map(
      ({ critical }) => critical,
    );
  expect([9, 5, 4].map(criticalAt)).toEqual([[false], [false], [true]]);
});

describe("the victim", () => {
  const greedy = { pod: podOf("greedy", "1Mi"), used: 50, requested: 1 };
  const modest = { pod: podOf("modest", "1Gi"), used: 500, requested: 1_000 };
  const small = { pod: podOf("small", undefined), used: 1, requested: 0 };
  const high = { pod: podOf("high", undefined, 1000), used: 1_000, requested: 0 };
  const critical = { pod: podOf("critical", undefined, 2_000_001_000), used: 999, requested: 0 };

  test.each([
    ["exceeds its request", [modest, greedy], "greedy"],
    ["has the lowest priority", [high, small], "small"],
    ["exceeds by most", [small, greedy], "greedy"],
    ["is never critical", [critical], undefined],
  ])("%s", (_, candidates, name) => {
    expect(chooseVictim(candidates)?.pod.metadata.name).toBe(name);
  });

  test("a node under pressure refuses the pods that it would evict first", () => {
    const memory = { memory: true, disk: false, pid: false };
    expect(admitsUnderPressure(small.pod, memory)).toBe(false);
    const tolerations = [
      { key: "node.kubernetes.io/memory-pressure", operator: "Exists" as const },
    ];
    const daemon = { ...small.pod, spec: { ...small.pod.spec, tolerations } };
    expect(admitsUnderPressure(daemon, memory)).toBe(true);
    expect(admitsUnderPressure(daemon, { ...memory, disk: true })).toBe(false);
    expect(admitsUnderPressure(modest.pod, memory)).toBe(true);
    expect(admitsUnderPressure(modest.pod, { ...memory, disk: true })).toBe(false);
    expect(admitsUnderPressure(critical.pod, { ...memory, disk: true })).toBe(true);
  });
});
