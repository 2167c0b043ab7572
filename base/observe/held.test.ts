import { expect, it } from "vitest";
import { exposeHeld, held } from "./held.ts";
import { metricsRegistry } from "./metrics.ts";

it("shows the longest of each name, and passes on what comes of the work", async () => {
  const registry = metricsRegistry();
  exposeHeld(registry);
  expect(held("short", () => 7)).toBe(7);
  expect(() => held("failing", () => JSON.parse("{"))).toThrow(SyntaxError);
  const value = async (by: string) => {
    const [metric] = await registry.getMetricsAsJSON();
    return metric!.values.find(({ labels }) => labels["by"] === by)?.value;
  };
  expect(await value("failing")).toBeDefined();
  const before = (await value("short"))!;
  held("short", () => JSON.stringify(Array.from({ length: 1_000_000 }, (_, i) => ({ i }))));
  expect(await value("short")).toBeGreaterThan(before);
  const longest = await value("short");
  held("short", () => 0);
  expect(await value("short")).toBe(longest);
});
