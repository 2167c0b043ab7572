import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { describe, expect, test } from "vitest";
import { planOf } from "../../testing/plan-of.ts";
import { servicePort } from "../../testing/service-port.ts";
import { SOURCE_RANGES_MAX } from "../limits.ts";
import { staleFlows } from "./stale-flows.ts";

const service = (spec: Partial<Service["spec"]> = {}, labels = {}): Service => ({
  metadata: { namespace: "shop", name: "web", labels },
  spec: { clusterIP: "10.96.0.7", ports: [{ port: 80, name: "http" }], ...spec },
});

const slice = (endpoints: Endpoint[], changes: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { namespace: "shop", name: "web-1" },
  addressType: "IPv4",
  endpoints,
  ports: [{ name: "http", port: 8080 }],
  ...changes,
});

const at = (address: string, conditions: Endpoint["conditions"] = {}, nodeName = "here") => ({
  addresses: [address],
  conditions,
  nodeName,
});

type Endpoints = "allEndpoints" | "localEndpoints";
const addressesOf = (slices: EndpointSlice[], which: Endpoints = "allEndpoints") =>
  planOf(service(), slices, "here").ports[0]?.[which].map(({ address }) => address);

describe("Services that are served", () => {
  test.each([
    ["headless", service({ clusterIP: "None" })],
    ["ExternalName", service({ type: "ExternalName" })],
    ["without a ClusterIP", service({ clusterIP: "" })],
  ])("none that is %s", (_name, other) => {
    expect(planOf(other, [], "here")).toEqual({ ports: [], problems: [] });
  });

  test("each port has its own key", () => {
    const ports = [
      { port: 53, name: "dns", protocol: "UDP" as const },
      { port: 53, name: "dns-tcp", protocol: "TCP" as const, nodePort: 30053 },
    ];
    expect(planOf(service({ ports }), [], "here").ports).toMatchObject([
      { key: "shop/web:dns/UDP", transport: "udp", port: 53, nodePort: undefined },
      { key: "shop/web:dns-tcp/TCP", transport: "tcp", nodePort: 30053 },
    ]);
  });

  test("session affinity has a timeout of three hours unless the Service sets one", () => {
    const timed = { clientIP: { timeoutSeconds: 60 } };
    const affinity = (spec: Partial<Service["spec"]>) =>
      planOf(service(spec), [], "here").ports[0]?.affinity_s;
    expect(affinity({})).toBeUndefined();
    expect(affinity({ sessionAffinity: "ClientIP" })).toBe(10_800);
    expect(affinity({ sessionAffinity: "ClientIP", sessionAffinityConfig: timed })).toBe(60);
  });
});

describe("usable endpoints", () => {
  test("are the ready ones of all slices, each once", () => {
    const slices = [
      slice([at("10.1.0.1"), at("10.1.0.2", { ready: false })]),
      slice([at("10.1.0.1", { ready: true }), at("10.1.0.3", { ready: true })]),
    ];
    expect(addressesOf(slices)).toEqual(["10.1.0.1", "10.1.0.3"]);
  });

  test("are the serving and terminating ones if none is ready", () => {
    const terminating = { ready: false, serving: true, terminating: true };
    const notServing = { ready: false, serving: false, terminating: true };
    const first = at("10.1.0.1", terminating);
    expect(addressesOf([slice([first, at("10.1.0.2", notServing)])])).toEqual(["10.1.0.1"]);
    expect(addressesOf([slice([first, at("10.1.0.2")])])).toEqual(["10.1.0.2"]);
  });

  test("of this node follow the same rule", () => {
    const terminating = { ready: false, serving: true, terminating: true };
    const slices = [slice([at("10.1.0.1", terminating), at("10.1.0.2", {}, "there")])];
    expect(addressesOf(slices)).toEqual(["10.1.0.2"]);
    expect(addressesOf(slices, "localEndpoints")).toEqual(["10.1.0.1"]);
  });

  test("have a port of the same name and protocol", () => {
    expect(addressesOf([slice([at("10.1.0.1")], { ports: [{ name: "x", port: 1 }] })])).toEqual([]);
    const udp = [{ name: "http", port: 1, protocol: "UDP" as const }];
    expect(addressesOf([slice([at("10.1.0.1")], { ports: udp })])).toEqual([]);
  });

  const refused = [
    "127.0.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "::1",
    "x",
  ];
  test.each(refused)(
    "never have address %s: it is a problem of the Service (CVE-2021-25737)",
    (address) => {
      const plan = planOf(service(), [slice([at(address), at("10.1.0.1")])], "here");
      expect(plan.ports[0]?.allEndpoints).toEqual([{ address: "10.1.0.1", port: 8080 }]);
      const problem = `endpoint ${address} of slice web-1`;
      expect(plan.problems).toEqual([expect.stringContaining(problem)]);
    },
  );
});

describe("external addresses", () => {
  const ingress = [{ ip: "192.0.2.1" }, { ip: "192.0.2.2", ipMode: "Proxy" }];
  const status = { loadBalancer: { ingress } };
  const balanced = (spec: Partial<Service["spec"]>) =>
    planOf({ ...service({ type: "LoadBalancer", ...spec }), status }, [], "here");

  test("are externalIPs and load balancer addresses, without those of ipMode Proxy", () => {
    const plan = balanced({ externalIPs: ["192.0.2.9"] });
    expect(plan.ports[0]?.externalIps).toEqual(["192.0.2.9", "192.0.2.1"]);
  });

  test("of a load balancer admit the clients of loadBalancerSourceRanges only", () => {
    const ranges = ["198.51.100.7/24 ", "fd00::/8", "x"];
    const plan = balanced({ loadBalancerSourceRanges: ranges, externalIPs: ["192.0.2.9"] });
    expect(plan.ports[0]?.externalIps).toEqual(["192.0.2.9", "192.0.2.1"]);
    const firewall = { addresses: ["192.0.2.1"], ranges: ["198.51.100.0/24"] };
    expect(plan.ports[0]?.firewall).toEqual(firewall);
    expect(plan.problems).toEqual(["source range x is not one"]);
    const zeros = balanced({ loadBalancerSourceRanges: ["10.0.0.0/08"] });
    expect(zeros.ports[0]?.firewall?.ranges).toEqual(["10.0.0.0/8"]);
    for (const everyone of ["0.0.0.0/0", "0.0.0.0/00"]) {
      const all = balanced({ loadBalancerSourceRanges: [everyone] });
      expect(all.ports[0]?.firewall).toBeUndefined();
    }
  });

  test("admit no client if there are too many source ranges", () => {
    const loadBalancerSourceRanges = Array.from({ length: SOURCE_RANGES_MAX + 1 }, (_, at) => {
      return `10.${at >> 8}.${at & 255}.0/24`;
    });
    const plan = balanced({ loadBalancerSourceRanges });
    expect(plan.ports[0]?.firewall).toEqual({ addresses: ["192.0.2.1"], ranges: [] });
    expect(plan.problems).toEqual(["no client is admitted: more than 1000 source ranges"]);
    const most = balanced({ loadBalancerSourceRanges: loadBalancerSourceRanges.slice(1) });
    expect(most.ports[0]?.firewall?.ranges).toHaveLength(SOURCE_RANGES_MAX);
  });

  test("with policy Local have a port where a load balancer asks for ready endpoints", () => {
    const local = balanced({ externalTrafficPolicy: "Local", healthCheckNodePort: 31000 });
    expect(local.healthCheck).toEqual({ service: "shop/web", port: 31000, localEndpoints: 0 });
    expect(balanced({ healthCheckNodePort: 31000 }).healthCheck).toBeUndefined();
  });

  test("are not served if reserved, and the problem names the owner", () => {
    const reserved = (address: string) => (address === "192.0.2.1" ? "this node's" : undefined);
    const object = { ...service({ type: "LoadBalancer", externalIPs: ["192.0.2.9"] }), status };
    const plan = planOf(object, [], "here", { reserved });
    expect(plan.ports[0]?.externalIps).toEqual(["192.0.2.9"]);
    expect(plan.problems).toEqual(["external address 192.0.2.1 is not served: it is this node's"]);
  });

  test("an IPv6 address is not served and a problem of the Service", () => {
    const plan = planOf(service({ clusterIPs: ["10.96.0.7", "fd00::7"] }), [], "here");
    expect(plan.ports[0]?.clusterIps).toEqual(["10.96.0.7"]);
    expect(plan.problems).toEqual([expect.stringContaining("fd00::7")]);
  });
});

describe("stale flows", () => {
  const udp = (addresses: string[]) =>
    planOf(
      service({ ports: [{ port: 53, name: "http", protocol: "UDP", nodePort: 30053 }] }),
      [
        slice(
          addresses.map((address) => at(address)),
          { ports: [{ name: "http", port: 5353, protocol: "UDP" }] },
        ),
      ],
      "here",
    ).ports[0];

  test("are those of UDP to a removed endpoint, for each frontend", () => {
    const stale = { transport: "udp", targets: new Set(["10.1.0.1:5353"]), untranslated: false };
    expect(staleFlows(udp(["10.1.0.1", "10.1.0.2"]), udp(["10.1.0.2"]))).toEqual([
      { ...stale, to: "10.96.0.7", port: 53 },
      { ...stale, to: undefined, port: 30053 },
    ]);
    expect(staleFlows(udp(["10.1.0.1"]), undefined)).toHaveLength(2);
  });

  test("are none to endpoints that terminate and serve, or that hints leave out", () => {
    const planned = (endpoints: Endpoint[]) =>
      planOf(
        service({ ports: [{ port: 53, name: "http", protocol: "UDP" }] }),
        [slice(endpoints, { ports: [{ name: "http", port: 5353, protocol: "UDP" }] })],
        "here",
      ).ports[0];
    const one = at("10.1.0.1");
    const two = at("10.1.0.2");
    const both = planned([one, two]);
    const ending = (serving: boolean): Endpoint => ({
      ...two,
      conditions: { ready: false, serving, terminating: true },
    });
    expect(planned([one, ending(true)])?.allEndpoints).toHaveLength(1);
    expect(staleFlows(both, planned([one, ending(true)]))).toEqual([]);
    expect(staleFlows(both, planned([one, ending(false)]))).toHaveLength(1);
    expect(staleFlows(planned([one, ending(true)]), planned([one]))).toMatchObject([
      { targets: new Set(["10.1.0.2:5353"]) },
    ]);
    const hinted = (to: Endpoint, node: string) => ({
      ...to,
      hints: { forNodes: [{ name: node }] },
    });
    const chosen = planned([hinted(one, "here"), hinted(two, "there")]);
    expect(chosen?.allEndpoints).toHaveLength(1);
    expect(staleFlows(both, chosen)).toEqual([]);
  });

  test("are those without an endpoint when the first endpoint is added", () => {
    expect(staleFlows(undefined, udp(["10.1.0.1"]))).toMatchObject([
      { to: "10.96.0.7", targets: new Set(), untranslated: true },
      { to: undefined, targets: new Set(), untranslated: true },
    ]);
    expect(staleFlows(udp(["10.1.0.1"]), udp(["10.1.0.1", "10.1.0.2"]))).toEqual([]);
  });

  test("of a thousand endpoints are found by reading each a few times", () => {
    let reads = 0;
    const ends = Array.from({ length: 1_000 }, (_, i) => ({
      get address() {
        reads++;
        return `10.1.${i >> 8}.${i & 255}`;
      },
      port: 5353,
    }));
    const port = servicePort({ transport: "udp", clusterIps: ["10.96.0.7"], allEndpoints: ends });
    const [{ targets } = {}] = staleFlows(port, { ...port, allEndpoints: ends.slice(0, 500) });
    expect(targets?.size).toBe(500);
    expect(reads).toBeLessThan(5 * ends.length);
  });

  test("are none of TCP", () => {
    const tcp = planOf(service(), [slice([at("10.1.0.1")])], "here").ports[0];
    expect(staleFlows(tcp, undefined)).toEqual([]);
  });
});

test("the ports from one on that is not admitted are left out, and none is planned after it", () => {
  const ports = ["a", "b", "c"].map((name, at) => ({ name, port: 80 + at }));
  const asked: string[] = [];
  const admits = ({ key }: { key: string }) => asked.push(key) < 2;
  const plan = planOf(service({ ports }), [], "here", { admits });
  expect(plan.ports.map(({ key }) => key)).toEqual(["shop/web:a/TCP"]);
  expect(asked).toHaveLength(2);
  expect(plan.problems).toEqual([
    "port b and those after it are not served: the namespace has its part of the rules",
  ]);
});

test("a balancer finds no local endpoint of a Service that is served in part", () => {
  const spec = { externalTrafficPolicy: "Local", healthCheckNodePort: 31_000 } as const;
  const local = slice([{ addresses: ["10.1.0.1"], nodeName: "here" }]);
  const found = (admits: () => boolean) =>
    planOf(service({ type: "LoadBalancer", ...spec }), [local], "here", { admits }).healthCheck;
  expect(found(() => true)?.localEndpoints).toBe(1);
  expect(found(() => false)?.localEndpoints).toBe(0);
});

test("a slice's ports are read once for all ports of a Service", () => {
  const names = Array.from({ length: 100 }, (_, at) => ({ name: `p${at}`, port: 1 + at }));
  let reads = 0;
  const read = slice([at("10.1.0.1")]);
  const counted = {
    ...read,
    get ports() {
      reads++;
      return names;
    },
  };
  const { ports } = planOf(service({ ports: names }), [counted], "here");
  expect(ports.map(({ allEndpoints: [target] }) => target?.port)).toEqual(
    names.map(({ port }) => port),
  );
  expect(reads).toBe(1);
});
