import { describe, expect, test } from "vitest";
import { servicePort } from "../../../testing/service-port.ts";
import type { ServicePort } from "../../plan/model.ts";
import { IpvsState } from "./state.ts";
import { wantedOf } from "./wanted.ts";

const TARGETS = [{ address: "10.244.0.1", port: 8080 }];
const port = (changes: Partial<ServicePort> = {}) =>
  servicePort({ clusterIps: ["10.96.0.7"], allEndpoints: TARGETS, ...changes });
const CONTEXT = { scheduler: "wlc", nodeAddresses: ["192.0.2.1", "192.0.2.2"] };
const wanted = (changes: Partial<ServicePort> = {}) => wantedOf(port(changes), CONTEXT);
const frontends = (changes: Partial<ServicePort>) =>
  wanted(changes).servers.map(({ server }) => `${server.address}:${server.port}`);
const setsOf = (changes: Partial<ServicePort>) =>
  [...new Set(wanted(changes).entries.map(({ set }) => set))].sort();

describe("a Service port", () => {
  test("has a virtual server for each frontend", () => {
    expect(frontends({ externalIps: ["203.0.113.1"], nodePort: 30080 })).toEqual([
      "10.96.0.7:80",
      "203.0.113.1:80",
      "192.0.2.1:30080",
      "192.0.2.2:30080",
    ]);
    expect(wanted({ affinity_s: 60 }).servers[0]).toEqual({
      server: {
        address: "10.96.0.7",
        protocol: "tcp",
        port: 80,
        scheduler: "wlc",
        persistence_s: 60,
      },
      targets: TARGETS,
    });
  });

  test("uses this node's endpoints with a policy Local, and does not masquerade then", () => {
    const external = { externalIps: ["203.0.113.1"], nodePort: 30080 };
    expect(setsOf(external)).toContain("KUBE-EXTERNAL-IP");
    expect(setsOf(external)).toContain("KUBE-NODE-PORT");
    const local = { ...external, externalLocal: true };
    expect(wanted(local).servers.map(({ targets }) => targets.length)).toEqual([1, 0, 0, 0]);
    expect(setsOf(local)).toEqual([
      "KUBE-CLUSTER-IP",
      "KUBE-EXTERNAL-IP-LOCAL",
      "KUBE-IPVS-IPS",
      "KUBE-LOOP-BACK",
    ]);
    expect(wanted({ internalLocal: true }).servers[0]?.targets).toEqual([]);
  });

  test("admits the clients of its source ranges", () => {
    const firewall = { addresses: ["203.0.113.1"], ranges: ["198.51.100.0/24"] };
    const { entries } = wanted({ externalIps: ["203.0.113.1"], firewall });
    const entry = { ip: "203.0.113.1", port: { protocol: "tcp", number: 80 } };
    expect(entries).toContainEqual({ set: "KUBE-LOAD-BALANCER-FW", entry });
    const second = "198.51.100.0/24";
    expect(entries).toContainEqual({
      set: "KUBE-LOAD-BALANCER-SOURCE-CIDR",
      entry: { ...entry, second },
    });
  });
});

describe("a change", () => {
  test("sets the virtual server whose endpoints changed, and nothing else", () => {
    const state = new IpvsState();
    state.change(new Map([["a", wanted()]]));
    expect(state.change(new Map([["a", wanted()]])).servers.set).toEqual([]);
    const both = [...TARGETS, { address: "10.244.0.2", port: 8080 }];
    const steps = state.change(new Map([["a", wanted({ allEndpoints: both })]]));
    expect(steps.servers.set.map(({ targets }) => targets.length)).toEqual([2]);
    expect([...steps.entries.added.keys()]).toEqual(["KUBE-LOOP-BACK"]);
    expect(steps.addresses).toEqual({ added: [], removed: [] });
  });

  test("keeps what two Service ports share until the last is gone", () => {
    const state = new IpvsState();
    const other = wanted({ key: "shop/web:b/TCP", port: 81 });
    state.change(
      new Map([
        ["a", wanted()],
        ["b", other],
      ]),
    );
    const first = state.change(new Map([["a", undefined]]));
    expect(first.servers.removed.map(({ server }) => server.port)).toEqual([80]);
    expect(first.addresses.removed).toEqual([]);
    expect(first.entries.removed.get("KUBE-LOOP-BACK")).toBeUndefined();
    const last = state.change(new Map([["b", undefined]]));
    expect(last.addresses.removed).toEqual(["10.96.0.7"]);
    expect(last.entries.removed.get("KUBE-LOOP-BACK")).toHaveLength(1);
    expect([state.servers().size, state.addresses().size]).toEqual([0, 0]);
  });
});
