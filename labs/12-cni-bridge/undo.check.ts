import { existsSync } from "node:fs";
import { join } from "node:path";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { requireMasquerade } from "@raft2kube/cni/lib/masquerade.ts";
import type { PluginCall } from "@raft2kube/cni/lib/skel.ts";
import type { CniResult } from "@raft2kube/cni/lib/types.ts";
import { spoofChecks } from "@raft2kube/cni/plugins/bridge/spoof-check.ts";
import { createVeth, openRoute } from "@raft2kube/linux/link.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { readSysctl } from "@raft2kube/linux/sysctl.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustFail, mustPass } from "../must.ts";
import { type Container, type Host, NETWORK, seenInvoke, withHost } from "./host.ts";
import { leftovers } from "./kernel.ts";


check("ADD: the address is announced, and a route of IPAM to the subnet is no error", () =>
  withHost(async (host) => {
    const one = host.container();
    const routes = [{ dst: "10.88.0.0/24" }];
    await mustPass(host.call("ADD", one, host.config({ ipam: { routes } })), {
      when: "ADD, with a route of IPAM to 10.88.0.0/24",
      expected: "success: the kernel has added this route with the address (EEXIST)",
      why: "containernetworking's bridge takes the same configuration",
    });
    const notify = inNetns(one.netns, () => readSysctl("net/ipv4/conf/eth0/arp_notify"));
    mustEqual(notify, "1", {
      when: "ADD; arp_notify of eth0",
      why: "neighbours that know the address by its last owner's MAC learn the new one at once",
    });
  }),
);

check("ADD: one that finds an eth0 takes no address", async () => {
  const asked: string[] = [];
  const invoke = seenInvoke((plugin, { command }) => {
    if (plugin === "host-local") asked.push(command);
  });
  await withHost(async (host) => {
    const one = host.container();
    inNetns(one.netns, () => {
      using route = openRoute();
      createVeth(route, { name: "eth0" }, { name: "other0" });
    });
    const fails = {
      when: "ADD for a container with an eth0 of another plugin",
      expected: "an error, before IPAM is asked",
      why: "DEL may never come: what is taken before the pair exists needs an undo of its own",
    };
    await mustFail(host.call("ADD", one), CniError, fails);
    judge(!asked.includes("ADD"), {
      ...fails, happened: `IPAM got ${asked.join(", ")}`,
    });
  }, invoke);
});

check("ADD: its own error is not hidden by that of the undo", async () => {
  const invoke = seenInvoke((plugin, { command }) => {
    if (plugin !== "host-local" || command !== "DEL") return;
    throw new CniError("io-failure", "the disk is full");
  });
  await withHost(async (host) => {
    const routes = [{ dst: "10.200.0.0/16", gw: "10.99.99.99" }];
    const fails = {
      when: "ADD with a route whose gateway is nowhere; then IPAM's DEL fails: the disk is full",
      expected: "the error of the route; and no pair",
      why: "the user would look for a full disk, and not for the wrong route",
    };
    const error = await mustFail(
      host.call("ADD", host.container(), host.config({ ipam: { routes } })), CniError, fails,
    );
    judge(!error.message.includes("disk"), { ...fails, happened: error.message });
    judge(!leftovers(host).includes("pair"), { ...fails, happened: leftovers(host) });
  }, invoke);
});

/** The reason to leave out a check of the kernel's rules; undefined with nft. */
function withoutNft(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(":");
  if (folders.some((folder) => existsSync(join(folder, "nft")))) return undefined;
  return "there is no nft: install nftables";
}

const RULES = { bridge: { ipspoofchk: true, ipMasq: true } };

function rulesOf(host: Host, { containerId, netns }: Container) {
  const config = host.config(RULES);
  const call = { network: NETWORK, containerId, netns, ifName: "eth0", config };
  return {
    spoof: () => spoofChecks.has(call),
    masquerade: ({ ips = [] }: CniResult) =>
      requireMasquerade(call as unknown as PluginCall, ips).then(() => true, () => false),
  };
}

check("rules: those of ipspoofchk and ipMasq come with ADD, and go with DEL", () =>
  withHost(async (host) => {
    const one = host.container();
    const { spoof, masquerade } = rulesOf(host, one);
    const seen = async (result: CniResult) => [await spoof(), await masquerade(result)];
    const result = await host.call("ADD", one, host.config(RULES));
    mustEqual(await seen(result), [true, true], {
      when: "ADD with ipspoofchk and ipMasq: is the container confined, and masqueraded",
      why: "without the spoof check a container takes its neighbours' packets (addSpoofCheck)",
    });
    await host.call("DEL", one, host.config(RULES));
    mustEqual(await seen(result), [false, false], {
      when: "DEL: is a spoof check left, or a masquerade",
      why: "rules of each Pod that ran would slow every packet (spoofChecks, deleteMasquerade)",
    });
  }), { leftOut: withoutNft() });

check("DEL: does everything that is possible, although a step fails", () =>
  withHost(async (host) => {
    const one = host.container();
    await host.call("ADD", one, host.config(RULES));
    const { PATH } = process.env;
    process.env.PATH = "/nowhere";
    const fails = {
      when: "DEL with ipspoofchk and ipMasq, while there is no program nft",
      expected: "an error, so that it is repeated; the pair and the address are gone (takeAll)",
      why: "a node whose nft is broken would run out of addresses",
    };
    try {
      await mustFail(host.call("DEL", one, host.config(RULES)), CniError, fails);
    } finally {
      process.env.PATH = PATH;
    }
    judge(leftovers(host) === "", { ...fails, happened: leftovers(host) });
    await mustPass(host.call("DEL", one, host.config(RULES)), {
      when: "DEL again, with nft",
      expected: "success",
      why: "the runtime repeats DEL until it succeeds",
    });
  }), { leftOut: withoutNft() });
