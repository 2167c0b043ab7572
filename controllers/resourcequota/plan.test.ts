import { expect, it } from "vitest";
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

it("counts what runs, and of what has ended only that it is there", () => {
  const objects = [pod("100m"), pod("1"), pod("5", "Succeeded")];
  const hard = { pods: "9", cpu: "4", "limits.cpu": "1", "count/pods": "9" };
  expect(statusOf(quota(hard), [{ group: "", plural: "pods", objects }]).used).toEqual({
    pods: "2",
    cpu: "1100m",
    "limits.cpu": "0",
    "count/pods": "3",
  });
});

it("a quota with scopes counts the pods within them, and nothing else", () => {
  const held = [
    { group: "", plural: "pods", objects: [pod("1"), pod(undefined)] },
    { group: "", plural: "services", objects: [{ metadata: { name: "s" } }] },
  ];
  const hard = { pods: "9", services: "9" };
  expect(statusOf(quota(hard, ["BestEffort"]), held).used).toEqual({ pods: "1", services: "0" });
});

it("knows what else to list", () => {
  const hard = { "count/deployments.apps": "1", secrets: "2", pods: "3", "count/secrets": "1" };
  expect(otherCounted(quota(hard), ["secrets"])).toEqual([
    { plural: "deployments", group: "apps" },
    { plural: "secrets", group: "" },
  ]);
});
