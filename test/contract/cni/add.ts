import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { findLink, getLink, listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { expect, test } from "vitest";
import { ADDRESSES, ask, routeFromOutside } from "../../../testing/network/host-network.ts";
import { addressOf, type Bench, GATEWAY, SUBNET } from "./bench.ts";

/** Rules for the result of ADD: addresses, routes, and connections that work. */
export function addContract(bench: () => Bench): void {
  test("gives the container its address, its route and the bridge as gateway", async () => {
    const { netns, result, address } = await bench().attach(bench().conflist());
    expect(result.interfaces?.map((link) => link.name)).toEqual([
      "cni0",
      expect.stringMatching(/^veth/),
      "eth0",
    ]);
    expect(result.interfaces?.[2]?.sandbox).toBe(netns);
    expect(result.ips).toEqual([{ address: `${address}/24`, gateway: GATEWAY, interface: 2 }]);
    expect(result.routes).toContainEqual({ dst: "0.0.0.0/0" });
    const link = inNetns(netns, () => {
      using route = openRoute();
      return findLink(route, "eth0");
    });
    expect(link).toMatchObject({ up: true, mtu: 1450, mac: result.interfaces?.[2]?.mac });
    expect(readSysctl("net.ipv4.ip_forward")).toBe("1");
  });

  test("two containers reach each other, the gateway and the host; the host reaches them", async () => {
    const list = bench().conflist();
    const [one, two] = [await bench().attach(list), await bench().attach(list)];
    expect(one.address).not.toBe(two.address);
    await bench().serve(two.netns, 80);
    await bench().serve(bench().net.host, 8080);
    expect(await ask(one.netns, two.address, 80)).toBe(one.address);
    expect(await ask(one.netns, GATEWAY, 8080)).toBe(one.address);
    expect(await ask(one.netns, ADDRESSES.host, 8080)).toBe(one.address);
    expect(await ask(bench().net.host, two.address, 80)).toBe(GATEWAY);
  });

  test("ipMasq hides the container behind the host, but not from its own network", async () => {
    const list = bench().conflist({ bridge: { ipMasq: true } });
    const [one, two] = [await bench().attach(list), await bench().attach(list)];
    await bench().serve(bench().net.outside, 80);
    await bench().serve(two.netns, 80);
    expect(await ask(one.netns, ADDRESSES.outside, 80)).toBe(ADDRESSES.host);
    expect(await ask(one.netns, two.address, 80)).toBe(one.address);
  });

  test("without ipMasq the container's address is seen outside", async () => {
    routeFromOutside(bench().net, SUBNET);
    const one = await bench().attach(bench().conflist());
    await bench().serve(bench().net.outside, 80);
    expect(await ask(one.netns, ADDRESSES.outside, 80)).toBe(one.address);
  });
}

/** Rules for an ADD that meets an obstacle, and for its other options. */
export function addLimitsContract(bench: () => Bench): void {
  test("a second ADD of the container is refused and leaves the first as it is", async () => {
    const list = bench().conflist();
    const one = await bench().attach(list);
    await expect(bench().addByBridge(list, one.attachment)).rejects.toMatchObject({
      name: "CniError",
    });
    await bench().cni.checkNetworkList(list, one.attachment);
  });

  test("when addresses have run out it fails, and leaves nothing behind", async () => {
    // A /30 has two addresses, of which the gateway takes one.
    const list = bench().conflist({
      bridge: { bridge: "cni1" },
      ipam: { ranges: [[{ subnet: "10.89.0.0/30" }]] },
    });
    await bench().attach(list);
    const netns = bench().net.container();
    const second = bench().attach(list, { netns });
    await expect(second).rejects.toThrow(/no free address|no IP addresses/);
    const inside = inNetns(netns, () => {
      using route = openRoute();
      return listLinks(route).map((link) => link.name);
    });
    expect(inside).toEqual(["lo"]);
    expect(bench().hostEnds()).toHaveLength(1);
  });

  test("default gateway, wanted address", async () => {
    const list = bench().conflist({ bridge: { isDefaultGateway: true }, ipam: { routes: [] } });
    const bridge = list.plugins[0];
    if (bridge) bridge.capabilities = { ips: true };
    const netns = bench().net.container();
    const capabilityArgs = { ips: ["10.88.0.77/24"] };
    const attachment = { containerId: "wanted", netns, ifName: "eth0", capabilityArgs };
    const result = await bench().cni.addNetworkList(list, attachment);
    bench().attached.push([list, attachment]);
    expect(addressOf(result)).toBe("10.88.0.77");
    expect(result.routes).toContainEqual({ dst: "0.0.0.0/0", gw: GATEWAY });
    await bench().serve(bench().net.host, 8080);
    expect(await ask(netns, ADDRESSES.host, 8080)).toBe("10.88.0.77");
  });

  test("an address of each family, when there is a range of each", async () => {
    const list = bench().conflist({
      bridge: { bridge: "cni6" },
      ipam: {
        ranges: [[{ subnet: SUBNET }], [{ subnet: "fd00:88::/64" }]],
        routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
      },
    });
    const [one, two] = [await bench().attach(list), await bench().attach(list)];
    const [, sixth] = two.result.ips ?? [];
    expect(sixth).toMatchObject({ gateway: "fd00:88::1", interface: 2 });
    await bench().serve(two.netns, 80);
    const other = one.result.ips?.[1]?.address.split("/")[0];
    expect(await ask(one.netns, sixth?.address.split("/")[0] ?? "", 80)).toBe(other);
    await bench().cni.checkNetworkList(list, one.attachment);
  });
}

/** Rules for the bridge's own addresses. */
export function gatewaysContract(bench: () => Bench): void {
  test("of two IPv4 gateways the second is refused, or replaces the first with forceAddress", async () => {
    const networkOf = (name: string, forceAddress: boolean) =>
      bench().conflist({
        bridge: { bridge: name, forceAddress },
        ipam: { ranges: [[{ subnet: "10.90.0.0/24" }], [{ subnet: "10.91.0.0/24" }]] },
      });
    const addressesOf = (name: string) => {
      using route = openRoute();
      const all = listAddresses(route, getLink(route, name).index).map(({ cidr }) => cidr);
      return all.filter((cidr) => cidr.includes("."));
    };
    await expect(bench().attach(networkOf("cni2", false))).rejects.toThrow(/address/);
    expect(addressesOf("cni2")).toEqual(["10.90.0.1/24"]);
    await bench().attach(networkOf("cni3", true));
    expect(addressesOf("cni3")).toEqual(["10.91.0.1/24"]);
  });
}
