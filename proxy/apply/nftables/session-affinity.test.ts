import { expect, test } from "vitest";
import { servicePort } from "../../../testing/service-port.ts";
import { AFFINITY_CLIENTS, AFFINITY_CLIENTS_OF_NAMESPACE } from "../../limits.ts";
import { renderPort } from "./render-port.ts";
import { AffinityShares } from "./session-affinity.ts";

const port = (key: string, endpoints: number) =>
  servicePort({
    key,
    clusterIps: ["10.96.0.7"],
    affinity_s: 60,
    allEndpoints: Array.from({ length: endpoints }, (_, i) => ({
      address: "10.1.0.1",
      port: i + 1,
    })),
  });

/** Returns how many clients the sets of some ports have at most, rendered one after the other. */
function clientsOf(ports: readonly ReturnType<typeof port>[]): number[] {
  const shares = new AffinityShares();
  return ports.map((one) => {
    const { sets } = renderPort(one, undefined, shares.share(one.key, one));
    const sizes = [...sets.values()].map((text) => Number(/size (\d+);/.exec(text)?.[1]));
    return sizes.reduce((sum, size) => sum + size, 0);
  });
}

test("one endpoint remembers as many clients as upstream's", () => {
  expect(clientsOf([port("shop/web:/TCP", 1)])).toEqual([AFFINITY_CLIENTS]);
});

test("the endpoints of one port share the clients of its namespace", () => {
  const [clients = 0] = clientsOf([port("shop/web:/TCP", 1_000)]);
  expect(clients).toBeLessThanOrEqual(AFFINITY_CLIENTS_OF_NAMESPACE);
});

test("the ports of a namespace share its clients, those of another have their own", () => {
  const many = Array.from({ length: 1_000 }, (_, i) => port(`greedy/s${i}:/TCP`, 100));
  const all = clientsOf([...many, port("shop/web:/TCP", 1)]);
  expect(all.pop()).toBe(AFFINITY_CLIENTS);
  const sum = all.reduce((total, clients) => total + clients, 0);
  // One that came earlier keeps its sets: the sum is that of the harmonic series.
  expect(sum).toBeLessThan(AFFINITY_CLIENTS_OF_NAMESPACE * (1 + Math.log(many.length)));
});

test("a port that has no affinity any more gives its share back", () => {
  const shares = new AffinityShares();
  const one = port("shop/one:/TCP", 1);
  shares.share("shop/two:/TCP", port("shop/two:/TCP", 1));
  expect(shares.share(one.key, one)).toBe(AFFINITY_CLIENTS_OF_NAMESPACE / 2);
  shares.share("shop/two:/TCP", undefined);
  expect(shares.share(one.key, one)).toBe(AFFINITY_CLIENTS_OF_NAMESPACE);
});
