import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { ensureChains } from "@raft2kube/cni/lib/own-chains.ts";
import { ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { podSourceChains } from "@raft2kube/cni/node/pod-sources.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { OverlayNetwork } from "@raft2kube/overlay/apply.ts";
import { Guard } from "@raft2kube/overlay/guard.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import {
  ADDRESSES,
  type Agent,
  CLUSTER_CIDR,
  TARGETS,
} from "../../testing/network/node-network.ts";
import { waitFor } from "../../testing/wait.ts";
import { udpIn } from "../contract/cni/overlay/injection.ts";
import { GUEST_WAIT_MS } from "./guest-wait.ts";
import { during, net, port, report } from "./proxy-trial.ts";

/** The overlay's guard by iptables, beside the proxy's chains, which accept pods' packets. */
export async function judgeGuard(): Promise<void> {
  const encapsulated = 8_472;
  const { node, one, outside } = net;
  for (const agent of [node, outside]) await agent.listen(encapsulated, "node", "udp");
  const ask = (agent: Agent, address: string) =>
    agent.ask(address, encapsulated, { protocol: "udp", timeout_ms: 1_000 });
  const guarded = { range: ipv4Subnet(CLUSTER_CIDR)!, local: ADDRESSES.node };
  const encapsulation = { port: encapsulated, nodes: [ADDRESSES.outside] };
  const guard = new Guard("iptables");
  const ensure = () => guard.ensure(new OverlayNetwork(), guarded, encapsulation);
  const ip = "10.96.5.5";
  const led: ServicePort = {
    ...port(ip),
    key: "default/udp:p/UDP",
    transport: "udp",
    allEndpoints: [{ address: ADDRESSES.outside, port: encapsulated }],
  };
  const viaService = () => one.ask(ip, 80, { protocol: "udp", timeout_ms: 1_000 });
  await report("guard", "without it pods reach the overlay's port, directly and by IPVS", () =>
    during("ipvs", led, async () => {
      assert.match(await ask(one, ADDRESSES.outside), /^node /);
      assert.match(await viaService(), /^node /);
    }),
  );
  await report("guard", "encapsulated packets are taken from nodes alone, none of pods leave", () =>
    during("iptables", led, async () => {
      assert.deepEqual([await ensure(), await ensure()], [true, false]);
      assert.equal(await ask(one, ADDRESSES.outside), "silent");
      assert.equal(await ask(one, ADDRESSES.node), "silent");
      assert.equal(await viaService(), "silent");
      assert.match(await ask(outside, ADDRESSES.node), /^node /);
      assert.match(await ask(node, ADDRESSES.outside), /^node /);
    }),
  );
  await report("guard", "none of pods leave by IPVS", () =>
    during("ipvs", led, async () => {
      assert.equal(await viaService(), "silent");
      assert.match(await ask(node, ADDRESSES.outside), /^node /);
    }),
  );
}

/**
 * Where network policies judge what goes through IPVS (network-policy/base.ts): with the addresses
 * of client and endpoint in OUTPUT, and not in INPUT after IPVS.
 */
export async function judgePolicyHooks(): Promise<void> {
  const { node, one, outside } = net;
  const [ip, own, nodePort] = ["10.96.5.11", 7_100, 30_096];
  await node.listen(own, "node");
  const iptables = (...args: string[]) => String(execFileSync("iptables-legacy", args));
  const ofPod = ["INPUT", "-p", "tcp", "-s", ADDRESSES.one];
  /** Connections of the first pod that have come to INPUT at the priority of nat, 100. */
  const arrived = () =>
    Number(/^ *(\d+) .*10\.244\.0\.11/m.exec(iptables("-t", "nat", "-nvxL", "INPUT"))?.[1]);
  const dropped = (client: string) => [
    "OUTPUT",
    "-p",
    "tcp",
    "-s",
    client,
    "-d",
    ADDRESSES.two,
    "--dport",
    String(TARGETS.http),
    "-m",
    "conntrack",
    "--ctstate",
    "NEW",
    "-j",
    "DROP",
  ];
  const served = { ...port(ip), nodePort };
  await report("policies", "IPVS takes a pod's packets out of INPUT before policies judge", () =>
    during("ipvs", served, async () => {
      iptables("-t", "nat", "-A", ...ofPod);
      assert.match(await one.ask(ip, 80), /^two /);
      assert.equal(arrived(), 0);
      assert.match(await one.ask(ADDRESSES.gateway, own), /^node /);
      assert.equal(arrived(), 1);
      iptables("-t", "nat", "-D", ...ofPod);
    }),
  );
  for (const [agent, client, address, at] of [
    [one, ADDRESSES.one, ip, 80],
    [outside, ADDRESSES.outside, ADDRESSES.node, nodePort],
  ] as const) {
    await report("policies", `OUTPUT has the addresses of ${client} and the endpoint`, () =>
      during("ipvs", served, async () => {
        assert.match(await agent.open("admitted", address, at), /^two /);
        iptables("-A", ...dropped(client));
        assert.equal(await agent.ask(address, at, { timeout_ms: 1_000 }), "silent");
        assert.match(await agent.say("admitted"), /^two /);
        iptables("-D", ...dropped(client));
        await agent.reset("admitted");
      }),
    );
  }
}

/** Sends from a pod with a source outside the node's range of pods, after that with its own. */
export async function judgeSources(): Promise<void> {
  const [to, forged] = [9_999, "203.0.113.9"];
  const { one, outside } = net;
  inNetns(one.netns, () => {
    using route = openRoute();
    addAddress(route, getLink(route, "lo").index, `${forged}/32`);
  });
  const found: string[] = [];
  const receiver = udpIn(outside.netns, ADDRESSES.outside, to);
  receiver.on("message", (_text, { address }) => void found.push(address));
  const send = async (source: string) => {
    const before = found.length;
    for (const from of [source, ADDRESSES.one]) {
      const socket = udpIn(one.netns, from);
      await new Promise((resolve) => socket.send("x", to, ADDRESSES.outside, resolve));
      socket.close();
    }
    const own = () => found.slice(before).includes(ADDRESSES.one);
    await waitFor("the pod's own packet", own, { timeout_ms: GUEST_WAIT_MS });
    return found.slice(before);
  };
  await report("guard", "a pod's packets have sources of its node's pods", async () => {
    assert.deepEqual(await send(forged), [forged, ADDRESSES.one]);
    const chains = podSourceChains("10.244.0.0/24", "v-one");
    assert.deepEqual([await ensureChains(chains), await ensureChains(chains)], [true, false]);
    assert.deepEqual(await send(forged), [ADDRESSES.one]);
  });
  receiver.close();
}
