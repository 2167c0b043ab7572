import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { requireMasquerade } from "@raft2kube/cni/lib/masquerade.ts";
import type { PluginCall } from "@raft2kube/cni/lib/skel.ts";
import type { CniResult } from "@raft2kube/cni/lib/types.ts";
import { spoofChecks } from "@raft2kube/cni/plugins/bridge/spoof-check.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { createVeth, getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listNeighbours } from "@raft2kube/linux/netlink/neighbour.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustFail, mustPass } from "../must.ts";
import { type Container, type Host, NETWORK, seenInvoke, withHost } from "./host.ts";
import { addressesOf, allocated, leftovers, linkOf, linksIn } from "./kernel.ts";

const FORMER_OWNER = "02:00:00:00:00:99";

check("ADD: the address is announced, and a route of IPAM to the subnet is no error", () =>
  withHost(async (host) => {
    const [one, two] = [host.container(), host.container()];
    const routes = [{ dst: "10.88.0.0/24" }];
    await mustPass(host.call("ADD", one, host.config({ ipam: { routes } })), {
      when: "ADD, with a route of IPAM to 10.88.0.0/24",
      expected: "success: the kernel has added this route with the address (EEXIST)",
      why: "containernetworking's bridge takes the same configuration",
    });
    const entry = ["10.88.0.3", "lladdr", FORMER_OWNER, "nud", "stale", "dev", "eth0"];
    inNetns(one.netns, () => execFileSync("ip", ["neighbour", "replace", ...entry]));
    const { interfaces = [] } = await host.call("ADD", two);
    const known = () => inNetns(one.netns, () => neighbourOf("eth0", "10.88.0.3"));
    const announced = waitFor("the announcement", () => known() !== FORMER_OWNER, {
      clock: systemClock(),
      timeout_ms: ANNOUNCED_MS,
    });
    // Without an announcement it is still the former owner's.
    await announced.catch(() => undefined);
    mustEqual(known(), interfaces[2]?.mac, {
      when:
        "ADD of 10.88.0.3; a neighbour knows it by its last owner's hardware address. That " +
        "address after ADD",
      why: "until it learns the new one, what it sends is lost (arp_notify; RFC 5227, section 3)",
    });
  }),
);

/** An announcement arrives before ADD has returned, or soon after. */
const ANNOUNCED_MS = 1_000;

function neighbourOf(link: string, address: string): string | undefined {
  using route = openRoute();
  const entries = listNeighbours(route, getLink(route, link).index);
  return entries.find((entry) => entry.address === address)?.mac;
}

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
    judge(!asked.includes("ADD"), { ...fails, happened: `IPAM got ${asked.join(", ")}` });
  }, invoke);
});

const WHY_CONFINED =
  "a container that is up before it is confined can send what the rules would drop";

check("ADD: eth0 is down while IPAM is asked, and a failure of IPAM is undone", async () => {
  const asked: string[] = [];
  let wasUp: boolean | undefined;
  const invoke = seenInvoke((plugin, { command, netns }) => {
    if (plugin !== "host-local") return;
    asked.push(command);
    if (command === "ADD") wasUp = linkOf(netns, "eth0")?.up;
  });
  await withHost(async (host) => {
    const config = host.config({ ipam: { ranges: [[{ subnet: "10.77.0.0/30" }]] } });
    await host.call("ADD", host.container(), config);
    mustEqual(wasUp, false, {
      when: "IPAM is asked for an address; is eth0 up",
      why: WHY_CONFINED,
    });
    const fails = {
      when: "ADD, and IPAM's ADD fails: no free address",
      expected: "IPAM's DEL too (CNI specification, section 4)",
      why: "IPAM may have reserved an address before it failed",
    };
    asked.length = 0;
    await mustFail(host.call("ADD", host.container(), config), CniError, fails);
    judge(asked.includes("DEL"), { ...fails, happened: `IPAM got ${asked.join(", ")}` });
  }, invoke);
});

check("ADD: the spoof check comes before the container's end is configured", async () => {
  await withHost(async (host) => {
    const fails = {
      when: "ADD with ipspoofchk, while there is no program nft",
      expected: "an error, and cni0 has no address: the container was not configured yet",
      why: WHY_CONFINED,
    };
    const config = host.config({ bridge: { ipspoofchk: true } });
    await withoutPath(() => mustFail(host.call("ADD", host.container(), config), CniError, fails));
    const configured = addressesOf("cni0");
    judge(configured.length === 0, { ...fails, happened: `cni0 has ${configured.join(", ")}` });
  });
});

/** Runs work while no program is found. */
async function withoutPath<T>(work: () => Promise<T>): Promise<T> {
  const { PATH } = process.env;
  process.env.PATH = "/nowhere";
  try {
    return await work();
  } finally {
    process.env.PATH = PATH;
  }
}

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
      host.call("ADD", host.container(), host.config({ ipam: { routes } })),
      CniError,
      fails,
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
      requireMasquerade(call as unknown as PluginCall, ips).then(
        () => true,
        () => false,
      ),
  };
}

check(
  "rules: those of ipspoofchk and ipMasq come with ADD, and go with DEL",
  () =>
    withHost(async (host) => {
      const one = host.container();
      const { spoof, masquerade } = rulesOf(host, one);
      const seen = async (result: CniResult) => [await spoof(), await masquerade(result)];
      const result = await host.call("ADD", one, host.config(RULES));
      mustEqual(await seen(result), [true, true], {
        when: "ADD with ipspoofchk and ipMasq: is the container confined, and masqueraded",
        why: "without the spoof check a container takes its neighbours' packets (addSpoofCheck)",
      });
      const why =
        "rules of each Pod that ran would slow every packet (spoofChecks, deleteMasquerade)";
      await host.call("DEL", one, host.config(RULES));
      mustEqual(await seen(result), [false, false], {
        when: "DEL: is a spoof check left, or a masquerade",
        why,
      });
      const again = await host.call("ADD", one, host.config(RULES));
      await host.call("DEL", { ...one, netns: "" }, host.config(RULES));
      mustEqual(await seen(again), [false, false], {
        when: "DEL with an empty CNI_NETNS: is a spoof check left, or a masquerade",
        why,
      });
    }),
  { leftOut: withoutNft() },
);

check(
  "rules: those of a failed ADD are gone",
  () =>
    withHost(async (host) => {
      const ranges = [[{ subnet: "10.77.0.0/24" }]];
      await host.call("DEL", await added(host));
      const one = host.container();
      const config = host.config({ ...RULES, ipam: { ranges } });
      const fails = {
        when: "ADD with ipspoofchk, and the bridge has another gateway",
        expected: "an error, and no spoof check",
        why: "the kernel keeps a chain whose link is gone: one for each attempt of the kubelet's",
      };
      await mustFail(host.call("ADD", one, config), CniError, fails);
      judge(!(await rulesOf(host, one).spoof()), { ...fails, happened: "the spoof check is left" });
    }),
  { leftOut: withoutNft() },
);

/** The rules of the spoof checks, as nft lists them. */
const spoofRules = () => {
  return execFileSync("nft", ["list", "table", "netdev", "r2k-cni-spoof"], { encoding: "utf8" });
};

check(
  "rules: macspoofchk leaves IP addresses open, as does ipspoofchk without IPAM",
  () =>
    withHost(async (host) => {
      const why = "a container with addresses of its own could send nothing";
      const mac = host.config({ bridge: { macspoofchk: true } });
      const one = host.container();
      await host.call("ADD", one, mac);
      mustEqual(spoofRules().includes("10.88.0.2"), false, {
        when: "ADD with macspoofchk alone: do the rules name its IP address",
        why,
      });
      await host.call("DEL", one, mac);
      const { ipam: _, ...bare } = host.config({ bridge: { ipspoofchk: true } });
      await host.call("ADD", host.container(), bare as typeof mac);
      mustEqual(spoofRules().includes("accept"), true, {
        when: "ADD with ipspoofchk and without ipam: do the rules accept any frame",
        why,
      });
    }),
  { leftOut: withoutNft() },
);

async function added(host: Host): Promise<Container> {
  const container = host.container();
  await host.call("ADD", container);
  return container;
}

check("DEL: keeps the address while the pair cannot be deleted", () =>
  withHost(async (host) => {
    const one = await added(host);
    const plain = join(host.net.root, "plain");
    writeFileSync(plain, "");
    const fails = {
      when: `DEL, and the namespace cannot be opened: ${plain}/x (ENOTDIR)`,
      expected: "an error, and IPAM is not asked: the pair may still use the address",
      why: "another container may get the address at once: two would have it on one bridge",
    };
    await mustFail(host.call("DEL", { ...one, netns: join(plain, "x") }), CniError, fails);
    judge(linksIn(one.netns).includes("eth0") && allocated(host).length === 1, {
      ...fails,
      happened: "the address was given back",
    });
  }),
);

check(
  "DEL: does everything that is possible, although a step fails",
  () =>
    withHost(async (host) => {
      const one = host.container();
      await host.call("ADD", one, host.config(RULES));
      const fails = {
        when: "DEL with ipspoofchk and ipMasq, while there is no program nft",
        expected: "an error, so that it is repeated; the pair and the address are gone (takeAll)",
        why: "a node whose nft is broken would run out of addresses",
      };
      await withoutPath(() => mustFail(host.call("DEL", one, host.config(RULES)), CniError, fails));
      judge(leftovers(host) === "", { ...fails, happened: leftovers(host) });
      await mustPass(host.call("DEL", one, host.config(RULES)), {
        when: "DEL again, with nft",
        expected: "success",
        why: "the runtime repeats DEL until it succeeds",
      });
    }),
  { leftOut: withoutNft() },
);
