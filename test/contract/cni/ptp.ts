import type { NetworkList } from "@raft2kube/cni/lib/types.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { deleteRoute, listRoutes } from "@raft2kube/linux/netlink/route.ts";
import { expect, test } from "vitest";
import { ADDRESSES, ask, routeFromOutside } from "../../../testing/network/host-network.ts";
import { type Bench, GATEWAY, SUBNET } from "./bench.ts";

function ptpList(bench: Bench, ptp: object = {}, ipam: object = {}): NetworkList {
  const routes = [{ dst: "0.0.0.0/0" }];
  const addresses = bench.hostLocal({ routes, ...ipam });
  return bench.listOf([{ type: "ptp", mtu: 1400, ipam: addresses, ...ptp }]);
}

/** A container on a link that it shares with the host alone. */
export function ptpContract(bench: () => Bench): void {
  const list = (ptp?: object, ipam?: object) => ptpList(bench(), ptp, ipam);

  test("the host has the gateway's address alone, and a route to each container", async () => {
    const { netns, result, address } = await bench().attach(list());
    expect(result.interfaces?.map(({ sandbox }) => sandbox)).toEqual([undefined, netns]);
    expect(result.ips).toEqual([{ address: `${address}/24`, gateway: GATEWAY, interface: 1 }]);
    using route = openRoute();
    const host = getLink(route, result.interfaces?.[0]?.name ?? "");
    expect(host).toMatchObject({ up: true, mtu: 1400 });
    const own = listAddresses(route, host.index).map(({ cidr }) => cidr);
    expect(own.filter((cidr) => !cidr.startsWith("fe80:"))).toEqual([`${GATEWAY}/32`]);
    const to = listRoutes(route)
      .filter(({ link }) => link === host.index)
      .map((each) => each.to);
    expect(to).toEqual([`${address}/32`]);
    const inside = inNetns(netns, () => {
      using there = openRoute();
      return listRoutes(there).map(({ to, via }) => [to, via]);
    });
    expect(inside.sort()).toEqual([
      ["0.0.0.0/0", GATEWAY],
      [SUBNET, GATEWAY],
      [`${GATEWAY}/32`, undefined],
    ]);
  });

  test("two containers of one subnet reach each other and the host", async () => {
    const [one, two] = [await bench().attach(list()), await bench().attach(list())];
    await bench().serve(two.netns, 80);
    await bench().serve(bench().net.host, 8080);
    expect(await ask(one.netns, two.address, 80)).toBe(one.address);
    expect(await ask(one.netns, GATEWAY, 8080)).toBe(one.address);
    expect(await ask(bench().net.host, two.address, 80)).toBe(GATEWAY);
  });

  test("ipMasq: beyond the host it has the host's address; without it its own", async () => {
    const hidden = await bench().attach(list({ ipMasq: true }));
    routeFromOutside(bench().net, SUBNET);
    const plain = await bench().attach(list());
    await bench().serve(bench().net.outside, 80);
    expect(await ask(hidden.netns, ADDRESSES.outside, 80)).toBe(ADDRESSES.host);
    expect(await ask(plain.netns, ADDRESSES.outside, 80)).toBe(plain.address);
  });

  test("an address of each family", async () => {
    const ranges = [[{ subnet: SUBNET }], [{ subnet: "fd00:88::/64" }]];
    const both = list({}, { ranges, routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] });
    const [one, two] = [await bench().attach(both), await bench().attach(both)];
    await bench().serve(two.netns, 80);
    const [, sixth] = two.result.ips?.map(({ address }) => address.split("/")[0]!) ?? [];
    const other = one.result.ips?.[1]?.address.split("/")[0];
    expect(await ask(one.netns, sixth ?? "", 80)).toBe(other);
    await bench().cni.checkNetworkList(both, one.attachment);
  });
}

/** CHECK of such a link, what ADD refuses, and the result's DNS. */
export function ptpLimitsContract(bench: () => Bench): void {
  const list = (ptp?: object, ipam?: object) => ptpList(bench(), ptp, ipam);

  test("CHECK passes after ADD, fails without the container's route", async () => {
    const network = list();
    const { netns, attachment } = await bench().attach(network);
    await bench().cni.checkNetworkList(network, attachment);
    inNetns(netns, () => {
      using there = openRoute();
      const { index } = getLink(there, "eth0");
      deleteRoute(there, { to: "0.0.0.0/0", via: GATEWAY, link: index });
    });
    await expect(bench().cni.checkNetworkList(network, attachment)).rejects.toThrow(/0\.0\.0\.0/);
  });

  test("when addresses have run out it fails, and leaves nothing behind", async () => {
    const full = list({}, { ranges: [[{ subnet: "10.89.0.0/30" }]] });
    await bench().attach(full);
    await expect(bench().attach(full)).rejects.toThrow(/no free address|no IP addresses/);
    expect(bench().hostEnds()).toHaveLength(1);
  });

  test("without IPAM it is refused", async () => {
    const bare = bench().listOf([{ type: "ptp" }]);
    await expect(bench().attach(bare)).rejects.toThrow(/ipam|no plugin name/i);
    expect(bench().hostEnds()).toEqual([]);
  });

  test("the configuration's DNS is in the result", async () => {
    const dns = { nameservers: ["10.96.0.10"], search: ["cluster.local"] };
    const { result } = await bench().attach(list({ dns }));
    expect(result.dns).toEqual(dns);
  });
}
