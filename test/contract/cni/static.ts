import type { CapabilityArgs } from "@raft2kube/cni/lib/types.ts";
import { expect, test } from "vitest";
import { ask } from "../../../testing/network/host-network.ts";
import type { Bench } from "./bench.ts";

const CONFIGURED = { address: "10.88.0.50/24", gateway: "10.88.0.1" };

/** Addresses that the configuration or the caller chooses. */
export function staticContract(bench: () => Bench): void {
  const list = (ipam: object = {}) => {
    const addresses = { type: "static", addresses: [CONFIGURED], routes: [{ dst: "0.0.0.0/0" }] };
    const capabilities = { ips: true };
    const plugin = { type: "ptp", capabilities, ipam: { ...addresses, ...ipam } };
    return bench().listOf([plugin]);
  };

  test("the configuration's addresses, routes and DNS", async () => {
    const dns = { nameservers: ["10.96.0.10"], domain: "example.test" };
    const { result, netns } = await bench().attach(list({ dns }));
    expect(result.ips).toEqual([{ ...CONFIGURED, interface: 1 }]);
    expect(result.routes).toEqual([{ dst: "0.0.0.0/0" }]);
    expect(result.dns).toEqual(dns);
    await bench().serve(bench().net.host, 8080);
    expect(await ask(netns, CONFIGURED.gateway, 8080)).toBe("10.88.0.50");
  });

  test("CNI_ARGS choose address and gateway", async () => {
    const netns = bench().net.container();
    const args = { IP: "10.88.0.61/24", GATEWAY: "10.88.0.2" };
    const attachment = { containerId: "args", netns, ifName: "eth0", args };
    bench().attached.push([list(), attachment]);
    const result = await bench().cni.addNetworkList(list({ addresses: [] }), attachment);
    const chosen = { address: "10.88.0.61/24", gateway: "10.88.0.2", interface: 1 };
    expect(result.ips).toEqual([chosen]);
  });

  test("the capability ips comes before the configuration", async () => {
    const capabilityArgs: CapabilityArgs = { ips: ["10.88.0.62/24"] };
    const bridge = {
      type: "bridge",
      bridge: "cni2",
      capabilities: { ips: true },
      ipam: { type: "static", addresses: [CONFIGURED] },
    };
    const { result } = await bench().attach(bench().listOf([bridge]), { capabilityArgs });
    expect(result.ips?.map(({ address }) => address)).toEqual(["10.88.0.62/24"]);
  });

  test("a container takes no traffic from the one that has its address", async () => {
    const first = await bench().attach(list());
    await bench().serve(first.netns, 80);
    const second = bench().attach(list());
    // The reference lets it have the address, without a route to it.
    if (bench().implementation.ours) await expect(second).rejects.toThrow(/10\.88\.0\.50/);
    else await second;
    expect(await ask(bench().net.host, first.address, 80)).toBe(CONFIGURED.gateway);
  });

  test("CHECK passes after ADD; DEL twice is no error", async () => {
    const { attachment } = await bench().attach(list());
    await bench().cni.checkNetworkList(list(), attachment);
    await bench().cni.delNetworkList(list(), attachment);
    await bench().cni.delNetworkList(list(), attachment);
  });

  test.each([
    ["an address without a prefix", [{ address: "10.88.0.5" }], /10\.88\.0\.5/],
    ["no address", [{ address: "nonsense/24" }], /nonsense/],
  ])("%s is refused by name", async (_what, addresses, message) => {
    await expect(bench().attach(list({ addresses }))).rejects.toThrow(message);
    expect(bench().hostEnds()).toEqual([]);
  });
}
