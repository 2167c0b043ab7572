import { expect, it } from "vitest";
import { CountedTurns } from "../../testing/turns.ts";
import { otherCounted, statusOf, untilRelease_ms } from "./plan.ts";

const NOW_MS = Date.parse("2026-01-02T03:04:05Z");

const quota = (hard: Record<string, string>, scopes?: "BestEffort"[]) => ({
  metadata: { name: "q", namespace: "n" },
  spec: { hard, ...(scopes ? { scopes } : {}) },
});

const pod = (cpu: string | undefined, phase = "Running") => ({
  metadata: { name: "p" },
  spec: { containers: [{ name: "c", ...(cpu ? { resources: { requests: { cpu } } } : {}) }] },
  status: { phase },
});

it("counts what runs, and of what has ended only that it is there", async () => {
  const objects = [pod("100m"), pod("1"), pod("5", "Succeeded")];
  const hard = { pods: "9", cpu: "4", "limits.cpu": "1", "count/pods": "9" };
  const status = await statusOf(quota(hard), [{ group: "", plural: "pods", objects }], NOW_MS);
  expect(status.used).toEqual({ pods: "2", cpu: "1100m", "limits.cpu": "0", "count/pods": "3" });
});

it("objects are counted in slices", async () => {
  const objects = Array.from({ length: 20 }, () => {
    const slow = pod("1");
    return {
      ...slow,
      get spec() {
        const until_ms = performance.now() + 2;
        while (performance.now() < until_ms);
        return slow.spec;
      },
    };
  });
  using turns = new CountedTurns();
  const status = await statusOf(
    quota({ pods: "30" }),
    [{ group: "", plural: "pods", objects }],
    NOW_MS,
  );
  expect(status.used).toEqual({ pods: "20" });
  expect(turns.now).toBeGreaterThan(0);
});

it("a quota with scopes counts the pods within them, and nothing else", async () => {
  const held = [
    { group: "", plural: "pods", objects: [pod("1"), pod(undefined)] },
    { group: "", plural: "services", objects: [{ metadata: { name: "s" } }] },
  ];
  const hard = { pods: "9", services: "9" };
  const { used } = await statusOf(quota(hard, ["BestEffort"]), held, NOW_MS);
  expect(used).toEqual({ pods: "1", services: "0" });
});

it("knows what else to list", () => {
  const hard = { "count/deployments.apps": "1", secrets: "2", pods: "3", "count/secrets": "1" };
  expect(otherCounted(quota(hard), ["secrets"])).toEqual([
    { plural: "deployments", group: "apps" },
    { plural: "secrets", group: "" },
  ]);
});

it("a pod in deletion stops counting right after its grace period", async () => {
  const leaving = (deletionGracePeriodSeconds: number) => ({
    ...pod("1"),
    metadata: {
      ...{ name: "p", deletionTimestamp: "2026-01-02T03:04:05Z" },
      deletionGracePeriodSeconds,
    },
  });
  const held = [{ group: "", plural: "pods", objects: [pod("1"), leaving(30), leaving(10)] }];
  let now_ms = NOW_MS;
  for (const [wait_ms, pods] of [
    [10_001, "2"],
    [20_000, "1"],
  ] as const) {
    expect(untilRelease_ms(held, now_ms)).toBe(wait_ms);
    now_ms += wait_ms;
    expect((await statusOf(quota({ pods: "9" }), held, now_ms)).used).toEqual({ pods });
  }
  expect(untilRelease_ms(held, now_ms)).toBe(Number.POSITIVE_INFINITY);
});
