import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { hostPorts, targetsOf } from "./plan.ts";

const service = (name: string, created: string, spec: Partial<Service["spec"]>): Service => ({
  metadata: { namespace: "shop", name, creationTimestamp: created },
  spec: { type: "NodePort", ...spec },
});
const CIDR = "10.96.0.0/16";
const port = (nodePort: number, protocol: "TCP" | "UDP" | "SCTP" = "TCP") => ({
  port: 80,
  nodePort,
  protocol,
});

test("node ports of TCP and UDP are served; of two Services with one port, the older", () => {
  const found = hostPorts(
    [
      service("late", "2026-01-02T00:00:00Z", { ports: [port(30080), port(30081)] }),
      service("early", "2026-01-01T00:00:00Z", {
        ports: [port(30080), port(30081, "UDP"), port(30083, "SCTP")],
      }),
      service("inner", "2026-01-01T00:00:00Z", { type: "ClusterIP", ports: [port(30082)] }),
    ],
    CIDR,
  );
  expect([...found].sort()).toEqual([
    ["TCP/30080", { port: 30080, protocol: "TCP", service: "shop/early" }],
    ["TCP/30081", { port: 30081, protocol: "TCP", service: "shop/late" }],
    ["UDP/30081", { port: 30081, protocol: "UDP", service: "shop/early" }],
  ]);
});

test("with a policy Local connections go to the Service, where the host reaches it", () => {
  const spec: Partial<Service["spec"]> = { externalTrafficPolicy: "Local", ports: [port(30080)] };
  const targets = (more: Partial<Service["spec"]>) =>
    [...hostPorts([service("web", "", { ...spec, ...more })], CIDR).values()].map(
      ({ cluster }) => cluster,
    );
  expect(targets({ clusterIP: "10.96.0.7" })).toEqual([{ address: "10.96.0.7", port: 80 }]);
  expect(targets({ clusterIP: "10.97.0.7" })).toEqual([undefined]);
  const internalTrafficPolicy = "Local";
  expect(targets({ clusterIP: "10.96.0.7", internalTrafficPolicy })).toEqual([undefined]);
  expect(targets({ clusterIP: "10.96.0.7", externalTrafficPolicy: "Cluster" })).toEqual([
    undefined,
  ]);
});

test("clients with session affinity stay at a node", () => {
  const web = service("web", "", { sessionAffinity: "ClientIP", ports: [port(30080)] });
  expect([...hostPorts([web], CIDR).values()]).toMatchObject([{ affinity_s: 10_800 }]);
});

test("connections go to nodes that are ready, and never back to loopback", () => {
  const node = (address: string, ready: "True" | "False"): Node => ({
    metadata: { name: address },
    spec: {},
    status: {
      addresses: [
        { type: "Hostname", address: "x" },
        { type: "InternalIP", address },
      ],
      conditions: [{ type: "Ready", status: ready }],
    },
  });
  const nodes = [
    node("10.200.0.2", "True"),
    node("10.200.0.3", "False"),
    // A connection to these would come back to the host's own ports, again and again.
    ...["127.0.0.1", "127.1", "0.0.0.0", "::1", "localhost"].map((own) => node(own, "True")),
  ];
  expect(targetsOf(nodes, { port: 30080 })).toEqual([{ address: "10.200.0.2", port: 30080 }]);
  const cluster = { address: "10.96.0.9", port: 80 };
  expect(targetsOf(nodes, { port: 30080, cluster })).toEqual([cluster]);
});
