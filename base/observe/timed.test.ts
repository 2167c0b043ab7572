import { expect, it } from "vitest";
import { metricsRegistry } from "./metrics.ts";
import { exposeTimed, timed } from "./timed.ts";

it("records the maximum of each name, and returns or throws as the work does", async () => {
  const registry = metricsRegistry();
  exposeTimed(registry);
  expect(timed("short", () => 7)).toBe(7);
  expect(() => timed("failing", () => JSON.parse("{"))).toThrow(SyntaxError);
  const value = async (by: string) => {
    const [metric] = await registry.getMetricsAsJSON();
    return metric!.values.find(({ labels }) => labels["by"] === by)?.value;
  };
  expect(await value("failing")).toBeDefined();
  const before = (await value("short"))!;
  timed("short", () => JSON.stringify(Array.from({ length: 1_000_000 }, (_, i) => ({ i }))));
  expect(await value("short")).toBeGreaterThan(before);
  const longest = await value("short");
  timed("short", () => 0);
  expect(await value("short")).toBe(longest);
});
