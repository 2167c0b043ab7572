import { expect, it } from "vitest";
import { CountedTurns } from "../../testing/turns.ts";
import { otherCounted, statusOf } from "./plan.ts";

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
  const status = await statusOf(quota(hard), [{ group: "", plural: "pods", objects }]);
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
  const status = await statusOf(quota({ pods: "30" }), [{ group: "", plural: "pods", objects }]);
  expect(status.used).toEqual({ pods: "20" });
  expect(turns.now).toBeGreaterThan(0);
});

it("a quota with scopes counts the pods within them, and nothing else", async () => {
  const held = [
    { group: "", plural: "pods", objects: [pod("1"), pod(undefined)] },
    { group: "", plural: "services", objects: [{ metadata: { name: "s" } }] },
  ];
  const hard = { pods: "9", services: "9" };
  const { used } = await statusOf(quota(hard, ["BestEffort"]), held);
  expect(used).toEqual({ pods: "1", services: "0" });
});

it("knows what else to list", () => {
  const hard = { "count/deployments.apps": "1", secrets: "2", pods: "3", "count/secrets": "1" };
  expect(otherCounted(quota(hard), ["secrets"])).toEqual([
    { plural: "deployments", group: "apps" },
    { plural: "secrets", group: "" },
  ]);
});
