import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatSubnetEnv } from "@raft2kube/cni/lib/subnet-env.ts";
import type { NetworkList } from "@raft2kube/cni/lib/types.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { deleteLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listRoutes } from "@raft2kube/linux/netlink/route.ts";
import { expect, test } from "vitest";
import { ask } from "../../../testing/network/host-network.ts";
import { type Bench, GATEWAY } from "./bench.ts";

const NETWORK = "10.80.0.0/12";

function paths(bench: Bench) {
  const { root } = bench.net;
  return { subnetFile: join(root, "overlay/subnet.env"), dataDir: join(root, "flannel") };
}

function flannelList(bench: Bench, options: object = {}): NetworkList {
  const ipam = { ...bench.hostLocal(), ranges: undefined };
  return bench.listOf([{ type: "flannel", ...paths(bench), ipam, ...options }]);
}

function writeEnv(bench: Bench, changes: object = {}): void {
  const env = {
    networks: [NETWORK],
    subnets: [`${GATEWAY}/24`],
    mtu: 1450,
    ipMasq: true,
    ...changes,
  };
  const { subnetFile } = paths(bench);
  mkdirSync(join(bench.net.root, "overlay"), { recursive: true });
  writeFileSync(subnetFile, formatSubnetEnv(env));
}

/** Containers of a node of an overlay. */
export function flannelContract(bench: () => Bench): void {
  const list = (options?: object) => flannelList(bench(), options);

  test("an address of the node's range, the overlay's MTU, a route to all pods", async () => {
    writeEnv(bench());
    const [one, two] = [await bench().attach(list()), await bench().attach(list())];
    expect(one.result.interfaces?.at(-1)).toMatchObject({ mtu: 1450, sandbox: one.netns });
    expect(one.result.ips?.[0]?.gateway).toBe(GATEWAY);
    const routes = inNetns(one.netns, () => {
      using route = openRoute();
      return listRoutes(route).map(({ to, via }) => [to, via]);
    });
    expect(routes).toContainEqual([NETWORK, GATEWAY]);
    await bench().serve(two.netns, 80);
    expect(await ask(one.netns, two.address, 80)).toBe(one.address);
  });

  test("a container is deleted as it was added, whatever the overlay wrote since", async () => {
    writeEnv(bench());
    const network = list({ delegate: { type: "ptp" } });
    const { attachment } = await bench().attach(network);
    rmSync(paths(bench()).subnetFile);
    expect(bench().givenOut()).toHaveLength(1);
    await bench().cni.delNetworkList(network, attachment);
    await bench().cni.delNetworkList(network, attachment);
    expect(bench().givenOut()).toEqual([]);
    expect(readdirSync(paths(bench()).dataDir)).toEqual([]);
  });

  test("STATUS and ADD fail with the reason while there is no overlay", async () => {
    rmSync(paths(bench()).subnetFile, { force: true });
    const netns = bench().net.container();
    const attachment = { containerId: "early", netns, ifName: "eth0" };
    const why = /overlay has not started on this node.*subnet\.env/;
    await expect(bench().cni.statusNetworkList(list())).rejects.toThrow(why);
    await expect(bench().cni.addNetworkList(list(), attachment)).rejects.toThrow(why);
    writeEnv(bench());
    await bench().cni.statusNetworkList(list());
    writeFileSync(paths(bench()).subnetFile, "FLANNEL_SUBNET=garbage\n");
    await expect(bench().cni.statusNetworkList(list())).rejects.toThrow(/damaged/);
  });

  test("CHECK passes after ADD, fails without the link or with another range", async () => {
    writeEnv(bench());
    const { attachment, result } = await bench().attach(list());
    await bench().cni.checkNetworkList(list(), attachment);
    writeEnv(bench(), { subnets: ["10.88.9.1/24"] });
    const check = () => bench().cni.checkNetworkList(list(), attachment);
    await expect(check()).rejects.toThrow(/range is .*10\.88\.9\.0\/24.* was .*10\.88\.0\.0\/24/);
    writeEnv(bench());
    using route = openRoute();
    const host = result.interfaces?.find(({ name }) => name.startsWith("veth"));
    expect(deleteLink(route, host?.name ?? "")).toBe(true);
    await expect(check()).rejects.toThrow();
  });

  test("GC frees what is not valid", async () => {
    writeEnv(bench());
    const [kept] = [await bench().attach(list()), await bench().attach(list())];
    const valid = [{ containerID: kept.attachment.containerId, ifname: "eth0" }];
    await bench().cni.gcNetworkList(list(), valid);
    expect(bench().givenOut()).toEqual([kept.address]);
    expect(readdirSync(paths(bench()).dataDir)).toEqual([kept.attachment.containerId]);
  });
}
