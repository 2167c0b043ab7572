import { expect, test } from "vitest";
import { CycleState } from "../framework/cycle-state.ts";
import type { Snapshot } from "../framework/snapshot.ts";
import type { HostPort, NodeInfo, PodInfo } from "../node-info.ts";
import { nodePorts } from "./node-ports.ts";

const tcp = (port: number, ip: string): HostPort => ({ ip, protocol: "TCP", port });

/** Whether a pod with these ports fits beside another on a node. */
function fits(ports: HostPort[], taken: HostPort[]): boolean {
  const info = { ports } as unknown as PodInfo;
  const node = { pods: new Map([["other", { ports: taken }]]) } as unknown as NodeInfo;
  const state = new CycleState({ nodes: [node] } as unknown as Snapshot);
  if (nodePorts.preFilter(state, info) !== undefined) return true;
  return nodePorts.filter(state, info, node) === undefined;
}

test("a host port is one pod's at an address, or at all", () => {
  const [any, one, other] = ["0.0.0.0", "10.0.0.1", "10.0.0.2"].map((ip) => [tcp(80, ip)]);
  expect([fits(any!, one!), fits(one!, any!), fits(one!, one!), fits(any!, any!)]).not.toContain(
    true,
  );
  expect(fits(one!, other!)).toBe(true);
  expect(fits(any!, [tcp(81, "0.0.0.0"), { ...tcp(80, "0.0.0.0"), protocol: "UDP" }])).toBe(true);
  expect(fits([], any!)).toBe(true);
});

test("each host port of two pods that have many is looked at once", () => {
  let reads = 0;
  const portsAt = (ip: string) =>
    Array.from({ length: 1_000 }, (_, at) => ({
      ip,
      protocol: "TCP",
      get port() {
        reads++;
        return at + 1;
      },
    }));
  expect(fits(portsAt("10.0.0.1"), portsAt("10.0.0.2"))).toBe(true);
  expect(reads).toBe(2_000);
});
