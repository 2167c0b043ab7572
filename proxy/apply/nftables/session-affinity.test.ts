import { describe, expect, test } from "vitest";
import { servicePort } from "../../../testing/service-port.ts";
import {
  AFFINITY_CLIENTS,
  AFFINITY_CLIENTS_OF_NAMESPACE,
  AFFINITY_ENDPOINTS_MAX,
  AFFINITY_ENDPOINTS_OF_NAMESPACE,
} from "../../limits.ts";
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

describe("endpoints beyond the part of a namespace", () => {
  const key = (at: number, namespace = "ten") => `${namespace}/s${at}:/TCP`;

  test("have no set each; a port that came earlier keeps its own", () => {
    const shares = new AffinityShares();
    const many = Array.from({ length: 400 }, (_, at) => port(key(at), 100));
    const setsOf = () =>
      many.map((one) => renderPort(one, undefined, shares.share(one.key, one)).sets.size);
    const sets = setsOf();
    const sum = sets.reduce((total, size) => total + size, 0);
    expect(sum).toBeLessThanOrEqual(AFFINITY_ENDPOINTS_OF_NAMESPACE);
    expect(sets[0]).toBe(100);
    const refused = many.filter((_, at) => sets[at] === 0).map((one) => one.key);
    expect(shares.takeRefused()).toEqual(refused);
    expect(setsOf()).toEqual(sets);
    expect(shares.takeRefused()).toEqual([]);
  });

  test("leave the control plane its part, in namespaces however many", () => {
    const shares = new AffinityShares();
    const many = Array.from({ length: 400 }, (_, at) => port(key(at, `ten${at}`), 100));
    const served = many.filter((one) => shares.share(one.key, one) > 0);
    expect((served.length + 1) * 100 + AFFINITY_ENDPOINTS_OF_NAMESPACE).toBeGreaterThan(
      AFFINITY_ENDPOINTS_MAX,
    );
    expect(served.length * 100 + AFFINITY_ENDPOINTS_OF_NAMESPACE).toBeLessThanOrEqual(
      AFFINITY_ENDPOINTS_MAX,
    );
    const system = port("kube-system/web:/TCP", AFFINITY_ENDPOINTS_OF_NAMESPACE);
    expect(shares.share(system.key, system)).toBeGreaterThan(0);
    expect(served.every((one) => shares.share(one.key, one) > 0)).toBe(true);
  });

  test("are counted while their port is there, and wants affinity", () => {
    const shares = new AffinityShares();
    const [first, second] = [1, 2].map((at) => port(key(at), AFFINITY_ENDPOINTS_OF_NAMESPACE));
    const shareOf = (one = first!, changes = {}) => shares.share(one.key, { ...one, ...changes });
    expect([shareOf(first) > 0, shareOf(second)]).toEqual([true, 0]);
    shareOf(first, { affinity_s: undefined });
    expect([shareOf(second) > 0, shareOf(first)]).toEqual([true, 0]);
    shareOf(second, { allEndpoints: [] });
    expect(shareOf(first)).toBeGreaterThan(0);
    shares.share(first!.key, undefined);
    expect(shareOf(second)).toBeGreaterThan(0);
  });
});
