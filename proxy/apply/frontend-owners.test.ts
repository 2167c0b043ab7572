import { describe, expect, test } from "vitest";
import { servicePort } from "../../testing/service-port.ts";
import type { ServicePort } from "../plan/model.ts";
import { externalReservation } from "./external-reservation.ts";
import { FrontendOwners } from "./frontend-owners.ts";

const port = (key: string, changes: Partial<ServicePort> = {}) => servicePort({ key, ...changes });

const owners = (...ports: ServicePort[]) => {
  const all = new FrontendOwners(externalReservation(["198.51.100.1"], "10.244.0.0/16"));
  for (const one of ports) all.change(new Map([[one.key, one]]));
  return all;
};

describe("a frontend", () => {
  test("belongs to the first that claims it until it is released", () => {
    const first = port("a", { nodePort: 30080, externalIps: ["192.0.2.1"] });
    const second = port("b", { nodePort: 30080, externalIps: ["192.0.2.1"] });
    const all = owners(first, second);
    expect(all.granted("b")).toMatchObject({ nodePort: undefined, externalIps: [] });
    expect(all.conflicts("b")).toEqual([
      { key: "tcp 192.0.2.1:80", owner: "a" },
      { key: "tcp node port 30080", owner: "a" },
    ]);
    expect(all.conflicts("a")).toEqual([]);
    const changed = all.change(new Map([["a", undefined]]));
    expect(changed.get("b")).toEqual(second);
    expect(changed.has("a")).toBe(true);
  });

  test("is another's if port or protocol differ", () => {
    const all = owners(
      port("a", { externalIps: ["192.0.2.1"] }),
      port("b", { externalIps: ["192.0.2.1"], port: 81 }),
      port("c", { externalIps: ["192.0.2.1"], transport: "udp" }),
    );
    for (const key of ["a", "b", "c"]) expect(all.granted(key)?.externalIps).toHaveLength(1);
  });
});

describe("an external address is not granted (CVE-2020-8554)", () => {
  test.each(["10.244.0.7", "198.51.100.1"])("if it is reserved: %s", (address) => {
    expect(owners(port("a", { externalIps: [address] })).granted("a")?.externalIps).toEqual([]);
  });

  test("if it is a cluster IP or an API server's, whichever came first", () => {
    const greedy = port("greedy", { externalIps: ["10.96.0.1", "203.0.113.6"], port: 81 });
    const api = port("api", { clusterIps: ["10.96.0.1"], apiAddresses: ["203.0.113.6"] });
    expect(owners(api, greedy).granted("greedy")?.externalIps).toEqual([]);
    const all = owners(greedy);
    expect(all.granted("greedy")?.externalIps).toHaveLength(2);
    expect(all.change(new Map([["api", api]])).get("greedy")?.externalIps).toEqual([]);
    expect(all.change(new Map([["api", undefined]])).get("greedy")?.externalIps).toHaveLength(2);
  });
});
