import { expect, test } from "vitest";
import { Balancer } from "./balancer.ts";

const target = (at: number) => ({ address: `10.1.0.${at}`, port: 80 });
const first = (balancer: Balancer, client: string) => balancer.order(client)[0]?.address;

function balancer(affinity_s?: number) {
  const clock = { now_ms: 0, monotonic: () => clock.now_ms };
  const made = new Balancer(clock);
  made.update([1, 2, 3].map(target), affinity_s);
  return { made, clock };
}

test("each connection begins with the next endpoint, and may try all", () => {
  const { made } = balancer();
  const seen = [1, 2, 3, 4].map(() => first(made, "c"));
  expect(seen).toEqual(["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.1"]);
  expect(
    made
      .order("c")
      .map(({ address }) => address)
      .sort(),
  ).toHaveLength(3);
});

test("a client stays with the endpoint that served it, until the timeout", () => {
  const { made, clock } = balancer(10);
  made.remember("c", target(2));
  clock.now_ms = 9_999;
  expect([first(made, "c"), first(made, "c")]).toEqual(["10.1.0.2", "10.1.0.2"]);
  expect(made.order("c")).toHaveLength(3);
  made.remember("c", target(2));
  clock.now_ms = 19_998;
  expect(first(made, "c")).toBe("10.1.0.2");
  clock.now_ms = 19_999;
  expect(new Set([1, 2, 3].map(() => first(made, "c"))).size).toBe(3);
});

test("a client whose endpoint is gone gets another", () => {
  const { made } = balancer(10);
  made.remember("c", target(2));
  made.update([target(1), target(3)], 10);
  expect(["10.1.0.1", "10.1.0.3"]).toContain(first(made, "c"));
  made.update([], 10);
  expect(made.order("c")).toEqual([]);
});
