import type { PortMapping } from "@raft2kube/cni/lib/types.ts";
import { expect, onTestFinished, test } from "vitest";
import { ADDRESSES, ask } from "../../../testing/network/host-network.ts";
import { Agent } from "../../../testing/network/node-network.ts";
import { type Bench, GATEWAY, type Implementation } from "./bench.ts";

/** Port mappings lead to the container from everywhere, and end with it. */
export function portsContract(bench: () => Bench, implementation: Implementation): void {
  test("reach the container from outside, from the host, from itself and its neighbour", async () => {
    const list = bench().conflist();
    const ports: PortMapping[] = [{ hostPort: 8081, containerPort: 80, protocol: "tcp" }];
    const one = await bench().attach(list, { ports });
    const two = await bench().attach(list);
    await bench().serve(one.netns, 80);
    expect(await ask(bench().net.outside, ADDRESSES.host, 8081)).toBe(ADDRESSES.outside);
    expect(await ask(bench().net.host, ADDRESSES.host, 8081)).toBeTruthy();
    expect(await ask(two.netns, ADDRESSES.host, 8081)).toBeTruthy();
    expect(await ask(one.netns, ADDRESSES.host, 8081)).toBeTruthy();
    if (implementation.checksPorts) await bench().cni.checkNetworkList(list, one.attachment);
    await bench().cni.delNetworkList(list, one.attachment);
    expect(await ask(bench().net.outside, ADDRESSES.host, 8081)).toBeUndefined();
  });

  test("take over no connection to another machine, or to another container", async () => {
    const list = bench().conflist();
    const ports: PortMapping[] = [{ hostPort: 8083, containerPort: 80, protocol: "tcp" }];
    const one = await bench().attach(list, { ports });
    const two = await bench().attach(list);
    await bench().serve(one.netns, 80);
    expect(await ask(two.netns, ADDRESSES.host, 8083)).toBeTruthy();
    expect(await ask(one.netns, two.address, 8083)).toBeUndefined();
    expect(await ask(bench().net.host, ADDRESSES.outside, 8083)).toBeUndefined();
  });

  test("with a hostIP count for that address only", async () => {
    const ports: PortMapping[] = [
      { hostPort: 8082, containerPort: 80, protocol: "tcp", hostIP: GATEWAY },
    ];
    const one = await bench().attach(bench().conflist(), { ports });
    await bench().serve(one.netns, 80);
    expect(await ask(bench().net.host, GATEWAY, 8082)).toBeTruthy();
    expect(await ask(bench().net.outside, ADDRESSES.host, 8082)).toBeUndefined();
  });

  test("of UDP lead a client that goes on to the container that has the port next", async () => {
    const list = bench().conflist();
    const ports: PortMapping[] = [{ hostPort: 8084, containerPort: 80, protocol: "udp" }];
    const agents = [new Agent(bench().net.outside)];
    onTestFinished(() => agents.forEach((agent) => agent.close()));
    for (const name of ["one", "two"]) {
      const { netns, attachment } = await bench().attach(list, { ports });
      const server = new Agent(netns);
      agents.push(server);
      await server.listen(80, name, "udp");
      const asked = { protocol: "udp", localPort: 4084 } as const;
      expect(await agents[0]!.ask(ADDRESSES.host, 8084, asked)).toMatch(name);
      await bench().cni.delNetworkList(list, attachment);
    }
  });
}
