import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { deleteAddress, listAddresses } from "@raft2kube/linux/address.ts";
import { createVeth, deleteLink, getLink, openRoute, setLink } from "@raft2kube/linux/link.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { deleteRoute } from "@raft2kube/linux/route.ts";
import { readSysctl } from "@raft2kube/linux/sysctl.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { configureInside, createPair } from "@raft2kube/cni/lib/veth.ts";
import type { CniResult } from "@raft2kube/cni/lib/types.ts";
import type { BridgeConfig } from "@raft2kube/cni/plugins/bridge/config.ts";
import { ensureBridge, ensureGateway } from "@raft2kube/cni/plugins/bridge/veth.ts";
import { ADDRESSES, ask, echoAddress } from "@raft2kube/cni/testing/world.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustFail, mustPass } from "../must.ts";
import {
  type Container, GATEWAY, type Host, seenInvoke, withHost,
} from "./host.ts";
import { addressesOf, allocated, hostEnds, leftovers, linkOf, linksIn, stateOf } from "./kernel.ts";

const CONFIG = { bridge: "cni0", mtu: 1450, promiscuous: false } as BridgeConfig;

check("the bridge: made once, up, with its own hardware address; another kind is refused", () =>
  withHost(async ({ world }) => {
    using route = openRoute();
    const first = ensureBridge(route, CONFIG);
    const second = ensureBridge(route, CONFIG);
    const { kind, mtu } = second;
    mustEqual({ kind, up: first.up, mtu }, { kind: "bridge", up: true, mtu: 1450 }, {
      when: "cni0 is needed, twice, with an MTU of 1450",
      why: "a bridge that is down forwards nothing",
    });
    judge(first.index === second.index && first.mac === second.mac, {
      when: "cni0 is needed a second time",
      expected: "the same link",
      happened: "another one",
      why: "the first container's end is a port of the first bridge",
    });
    mustEqual(learns("cni0"), "0", { when: `${REDIRECTS} of cni0`, why: WHY_LEARNS });
    const eager = ensureBridge(route, { ...CONFIG, promiscuous: true });
    mustEqual([first.promiscuous, eager.promiscuous], [false, true], {
      when: "cni0 is needed, and then with promiscMode; is it promiscuous",
      why: "hairpin traffic of a bridge takes it, and nothing else should",
    });
    await addPort(first.index);
    judge(linkOf(world.host, "cni0")?.mac === first.mac, {
      when: "a port with a lower hardware address is added",
      expected: `the bridge keeps ${first.mac}`,
      happened: `it has the port's: ${linkOf(world.host, "cni0")?.mac}`,
      why: "containers have the gateway's hardware address in their neighbour tables",
    });
    createVeth(route, { name: "cni1" }, { name: "other1" });
    const error = await mustFail(
      (async () => ensureBridge(route, { ...CONFIG, bridge: "cni1" }))(),
      CniError,
      {
        when: "the configured name is that of a veth",
        expected: "error 7, invalid config",
        why: "the veth's end cannot become its port; the error should name the cause",
      },
    );
    mustEqual(error.number, 7, { when: "cni1 is a veth", why: "error 7: invalid config" });
  }),
);

const REDIRECTS = "accept_redirects";
const WHY_LEARNS = "a pod could give the node another route (CVE-2020-10749)";
const learns = (link: string) => readSysctl(`net/ipv4/conf/${link}/${REDIRECTS}`);

/** A link with the lowest possible hardware address becomes a port. */
async function addPort(bridge: number): Promise<void> {
  using route = openRoute();
  createVeth(route, { name: "low0", mac: "02:00:00:00:00:01" }, { name: "other0" });
  setLink(route, getLink(route, "low0"), { master: bridge, up: true });
}

check("the gateway: its address on the bridge; another address is refused, or replaced", () =>
  withHost(async () => {
    using route = openRoute();
    const bridge = ensureBridge(route, CONFIG);
    for (let i = 0; i < 2; i++) ensureGateway(route, bridge, ["10.88.0.1/24"], false);
    const why = "the containers' default route leads to this address";
    mustEqual(addressesOf("cni0"), ["10.88.0.1/24"], { when: "the gateway is made twice", why });
    const other = ["10.77.0.1/24"];
    const refused = {
      when: "the bridge has 10.88.0.1/24, and the gateway is 10.77.0.1",
      expected: "error 7, and the address stays",
      why: "two networks share a bridge by mistake: the first would lose its gateway",
    };
    await mustFail((async () => ensureGateway(route, bridge, other, false))(), CniError, refused);
    mustEqual(addressesOf("cni0"), ["10.88.0.1/24"], refused);
    ensureGateway(route, bridge, other, true);
    mustEqual(addressesOf("cni0"), other, { when: "the same with forceAddress", why });
    for (const cidr of ["fd00:1::1/64", "fd00:2::1/64"]) {
      ensureGateway(route, bridge, [cidr], false);
    }
    const six = listAddresses(route, bridge.index).filter(({ cidr }) => cidr.startsWith("fd00:"));
    mustEqual(six.map(({ cidr }) => cidr).sort(), ["fd00:1::1/64", "fd00:2::1/64"], {
      when: "two IPv6 gateways, one after the other",
      why: "an IPv6 link has many addresses: two networks may share a bridge",
    });
  }),
);

check("ADD: two containers reach each other, the gateway, the host", () =>
  withHost(async (host) => {
    const [one, two] = [host.container(), host.container()];
    const [a] = [await host.call("ADD", one), await host.call("ADD", two)].map(addressIn);
    const servers = [await echoAddress(two.netns, 80), await echoAddress(host.world.host, 8080)];
    const why = "each Pod reaches each other Pod and its node (Kubernetes' network model)";
    const paths: [string, string, number][] = [
      ["its neighbour", "10.88.0.3", 80],
      ["the gateway", GATEWAY, 8080],
      ["the host, by the default route", ADDRESSES.host, 8080],
    ];
    for (const [name, address, port] of paths) {
      const answer = await ask(one.netns, address, port);
      mustEqual(answer ?? "no answer", a, {
        when: `a connection from 10.88.0.2 to ${name}, ${address}; the server sees its address`,
        why,
      });
    }
    for (const server of servers) server.close();
  }),
);

function addressIn({ ips = [] }: CniResult): string {
  return ips[0]?.address.split("/")[0] ?? "no address";
}

/** The kernel's state after the first ADD on the usual network. */
const STATE = {
  container: {
    up: true,
    mtu: 1450,
    addresses: ["10.88.0.2/24"],
    routes: ["0.0.0.0/0 via 10.88.0.1", "10.88.0.0/24"],
  },
  bridge: { kind: "bridge", up: true, addresses: ["10.88.0.1/24"] },
  ports: [{ kind: "veth", up: true, mtu: 1450 }],
  forwarding: "1",
};

check("ADD: leads to this state of the kernel", () =>
  withHost(async (host) => {
    const one = await added(host);
    mustEqual(stateOf(one.netns, "cni0"), STATE, {
      when: "ADD with isGateway, mtu 1450 and a default route",
      why: "the result is a promise; the kernel's state is what carries the Pod's packets",
    });
  }),
);

check("ADD: the result has the bridge, the host's end and the container's, as they are", () =>
  withHost(async (host) => {
    const one = host.container();
    const { interfaces = [] } = await host.call("ADD", one);
    const [bridge, end, inside] = interfaces;
    const links = [linkOf(host.world.host, "cni0"), linkOf(host.world.host, end?.name ?? "")];
    const eth0 = linkOf(one.netns, "eth0");
    const expected = [...links, eth0].map((link) => `${link?.name} ${link?.mac}`);
    const happened = [bridge, end, inside].map((each) => `${each?.name} ${each?.mac}`);
    mustEqual(happened, expected, {
      when: "the interfaces of ADD's result",
      why: "the next plugin of the chain finds the container's interface by it, at index 2",
    });
    mustEqual(interfaces.map(({ sandbox }) => sandbox ?? "host"), ["host", "host", one.netns], {
      when: "where they are",
      why: "an interface without a sandbox is the host's",
    });
    mustEqual(learns(end!.name), "0", { when: `${REDIRECTS} of the host's end`, why: WHY_LEARNS });
    const ofPod = inNetns(one.netns, () => [
      learns("eth0"), readSysctl("net/ipv4/conf/eth0/arp_notify"),
    ]);
    mustEqual(ofPod, ["0", "1"], {
      when: `${REDIRECTS} and arp_notify of eth0`,
      why: "neighbours that know another hardware address for this IP address must learn it",
    });
  }),
);

check("ADD: without IPAM the container has a link, and no address", () =>
  withHost(async (host) => {
    const one = host.container();
    const { ipam: _, ...config } = host.config();
    const result = await host.call("ADD", one, config as ReturnType<Host["config"]>);
    mustEqual([result.ips ?? [], linkOf(one.netns, "eth0")?.up], [[], true], {
      when: "ADD of a network without ipam: addresses of the result; is eth0 up",
      why: "a network of layer 2: a program in the container has addresses of its own",
    });
  }),
);

check("a pair: the given hardware address; addresses and routes as the plan has them", () =>
  withHost(async (host) => {
    const { netns } = host.container();
    using route = openRoute();
    const at = { netns, ifName: "eth0" };
    const mac = "02:00:00:00:00:42";
    const pair = createPair(route, at, { mtu: undefined, mac });
    mustEqual(pair.container.mac, mac, {
      when: `a pair for a container with the hardware address ${mac}`,
      why: "a network that knows its machines by hardware address lets no other in",
    });
    const ips = [{ address: "10.88.0.2/24", gateway: GATEWAY }];
    const routes = [
      { dst: "10.88.0.0/24", scope: 253 },
      { dst: "10.5.0.0/16", gw: "10.88.0.9", mtu: 1400, advmss: 1360, priority: 50, table: 77 },
      { dst: "10.6.0.0/16", scope: 253 },
    ];
    configureInside(at, { ips, routes });
    const words = ["-4", "route", "show", "table", "all"];
    const listed = inNetns(netns, () => execFileSync("ip", words, { encoding: "utf8" }));
    const routeTo = (to: string) => {
      const line = listed.split("\n").find((each) => each.startsWith(to)) ?? "none";
      return line.replace("proto static ", "").replaceAll(/ +/g, " ").trim();
    };
    mustEqual(routeTo("10.5."),
      "10.5.0.0/16 via 10.88.0.9 dev eth0 table 77 metric 50 mtu 1400 advmss 1360", {
        when: "a route of the result with mtu, advmss, priority and a table of its own",
        why: "CNI 1.1: each is a promise of the administrator's",
      });
    mustEqual(routeTo("10.6."), "10.6.0.0/16 dev eth0 scope link", {
      when: "a route with scope 253",
      why: "253 is RT_SCOPE_LINK: its destinations are neighbours",
    });
    const lost = [{ dst: "10.7.0.0/16", gw: "192.0.2.1" }];
    const refused = (async () => configureInside(at, { ips: [], routes: lost }))();
    await mustFail(refused, CodedError, {
      when: "a route by a gateway that no address reaches",
      expected: "an error",
      why: "the container would start without its network",
    });
  }),
);

check("ADD: again for the same interface is refused, and the first one stays", () =>
  withHost(async (host) => {
    const one = host.container();
    const result = await host.call("ADD", one);
    const before = JSON.stringify(stateOf(one.netns, "cni0"));
    const fails = {
      when: "ADD for a container that has an eth0",
      expected: "an error, with eth0 and its address as they were",
      why: "a runtime that lost the answer repeats ADD: the running Pod must not lose its network",
    };
    await mustFail(host.call("ADD", one), CniError, fails);
    judge(JSON.stringify(stateOf(one.netns, "cni0")) === before, {
      ...fails,
      happened: linksIn(one.netns).includes("eth0") ? "eth0 was changed" : "eth0 is gone",
    });
    mustEqual(allocated(host), [addressIn(result)], fails);
  }),
);

/** Failures of an ADD, and how late they happen. */
const FAILURES = [
  ["IPAM has no free address", { ipam: { ranges: [[{ subnet: "10.77.0.0/30" }]] } }, 1],
  ["the bridge has another gateway", { ipam: { ranges: [[{ subnet: "10.77.0.0/24" }]] } }, 0],
] as const;

check("ADD: one that fails leaves no pair, and no address", () =>
  withHost(async (host) => {
    for (const [name, changes, before] of FAILURES) {
      const bridge = { bridge: before === 0 ? "cni0" : "cni1" };
      if (before === 0) await host.call("DEL", await added(host));
      const config = host.config({ ...changes, bridge });
      const first = host.container();
      for (let i = 0; i < before; i++) await host.call("ADD", first, config);
      const [ends, addresses] = [hostEnds().length, allocated(host).length];
      const container = host.container();
      const fails = {
        when: `ADD, and ${name}`,
        expected: "an error; the container has no eth0, and IPAM has its address back",
        why: "the kubelet tries again with a new sandbox, and again: each leaks a pair, an address",
      };
      await mustFail(host.call("ADD", container, config), CniError, fails);
      const left = [
        linksIn(container.netns).includes("eth0") ? "eth0 is there" : "",
        hostEnds().length > ends ? "a veth pair is left" : "",
        allocated(host).length > addresses ? "an address is left" : "",
      ].filter(Boolean);
      judge(left.length === 0, { ...fails, happened: left.join(", ") });
      if (before > 0) await host.call("DEL", first, config);
    }
  }),
);

async function added(host: Host): Promise<Container> {
  const container = host.container();
  await host.call("ADD", container);
  return container;
}

check("DEL: takes the pair and the address away, as often as it is called", () =>
  withHost(async (host) => {
    const one = await added(host);
    const why = "the runtime repeats DEL until it succeeds; until then the Pod stays Terminating";
    await host.call("DEL", one);
    judge(leftovers(host) === "", {
      when: "DEL",
      expected: "no pair, no address",
      happened: leftovers(host),
      why: "what is left of each Pod fills the node",
    });
    const plain = join(host.world.root, "plain");
    writeFileSync(plain, "");
    const again = [
      ["DEL again", one],
      ["DEL with an empty CNI_NETNS", { ...one, netns: "" }],
      ["DEL with the namespace gone", { ...one, netns: join(host.world.root, "gone") }],
      ["DEL with a file that pins no namespace", { ...one, netns: plain }],
      ["DEL of a container that was never added", host.container()],
    ] as const;
    for (const [when, container] of again) {
      await mustPass(host.call("DEL", container), { when, expected: "success", why });
    }
    const two = await added(host);
    await host.call("DEL", { ...two, netns: "" });
    judge(allocated(host).length === 0, {
      when: "DEL with an empty CNI_NETNS: the node was restarted, the namespace is gone",
      expected: "the address is given back all the same",
      happened: allocated(host).join(", "),
      why: "after each power failure the addresses of all Pods would be lost",
    });
  }),
);

check("DEL: gives the address back last", async () => {
  const links: string[] = [];
  const invoke = seenInvoke((plugin, { command, netns }) => {
    if (plugin === "host-local" && command === "DEL") links.push(...linksIn(netns));
  });
  await withHost(async (host) => {
    await host.call("DEL", await added(host));
    judge(links.length > 0 && !links.includes("eth0"), {
      when: "DEL; the container's links when IPAM's DEL is called",
      expected: "without eth0: the pair was deleted before",
      happened: links.join(", ") || "IPAM was not called",
      why: "another container may get the address at once: two would have it on one bridge",
    });
  }, invoke);
});

/** Damages of a container's interface, and the word that the error of CHECK must have. */
const DAMAGES: readonly (readonly [string, string, (name: string) => void])[] = [
  ["eth0 is down", "down", (name) => {
    using route = openRoute();
    setLink(route, getLink(route, name), { up: false });
  }],
  ["its address was deleted", "10.88.0.", (name) => {
    using route = openRoute();
    deleteAddress(route, getLink(route, name).index, "10.88.0.2/24");
  }],
  ["its default route was deleted", "0.0.0.0/0", (name) => {
    using route = openRoute();
    const link = getLink(route, name).index;
    deleteRoute(route, { to: "0.0.0.0/0", via: GATEWAY, link });
  }],
  ["it has another hardware address", "02:00:00:00:00:77", (name) => {
    using route = openRoute();
    setLink(route, getLink(route, name), { mac: "02:00:00:00:00:77" });
  }],
  ["it was deleted", "eth0", (name) => {
    using route = openRoute();
    deleteLink(route, name);
  }],
];

check("ADD: one that fails gives the address back last", async () => {
  const links: string[] = [];
  const invoke = seenInvoke((plugin, { command, netns }) => {
    if (plugin === "host-local" && command === "DEL") links.push("asked", ...linksIn(netns));
  });
  await withHost(async (host) => {
    await host.call("DEL", await added(host));
    links.length = 0;
    const config = host.config({ ipam: { ranges: [[{ subnet: "10.77.0.0/24" }]] } });
    const fails = {
      when: "ADD, and the bridge has another gateway; the container's links at IPAM's DEL",
      expected: "without eth0: the pair was deleted before",
      why: "another container may get the address at once: two would have it on one bridge",
    };
    await mustFail(host.call("ADD", host.container(), config), CniError, fails);
    judge(links.includes("asked") && !links.includes("eth0"), {
      ...fails, happened: links.join(", ") || "IPAM was not called",
    });
  }, invoke);
});

/** Changes to ADD's result with which CHECK must pass, or fail with this word. */
const RESULTS: readonly (readonly [string, string, (result: CniResult) => void])[] = [
  ["no hardware addresses", "", ({ interfaces = [] }) => {
    for (const each of interfaces) delete each.mac;
  }],
  ["an address of the host's end, too", "", ({ ips = [] }) => {
    ips.push({ address: "10.99.0.1/24", interface: 1 });
  }],
  ["an address of no interface that eth0 lacks", "10.99.0.1", ({ ips = [] }) => {
    ips.push({ address: "10.99.0.1/24" });
  }],
  ["a route with an address of its subnet", "", ({ routes = [] }) => {
    routes.push({ dst: "10.88.0.9/24" });
  }],
  ["eth0 of another namespace", "eth0", ({ interfaces = [] }) => {
    interfaces[2]!.sandbox = "/run/netns/other";
  }],
  ["another name of the interface", "eth0", ({ interfaces = [] }) => {
    interfaces[2]!.name = "eth7";
  }],
];

check("CHECK: compares what the result says of this interface", () =>
  withHost(async (host) => {
    const one = host.container();
    const result = await host.call("ADD", one);
    for (const [what, word, change] of RESULTS) {
      const prevResult = structuredClone(result);
      change(prevResult);
      const call = host.call("CHECK", one, { ...host.config(), prevResult });
      const why = "a chain of plugins has one result: CHECK is about this plugin's interface";
      if (word === "") {
        await mustPass(call, { when: `CHECK with ${what}`, expected: "success", why });
        continue;
      }
      const fails = { when: `CHECK with ${what}`, expected: `error 102, with ${word}`, why };
      const { number, message } = await mustFail(call, CniError, fails);
      judge(number === 102 && message.includes(word), {
        ...fails, happened: `error ${number}: ${message}`,
      });
    }
  }),
);

check("CHECK: passes after ADD, and names what is no longer as ADD left it", () =>
  withHost(async (host) => {
    for (const [damage, word, apply] of DAMAGES) {
      const one = host.container();
      // The same address for each: a fresh store.
      const config = host.config({ ipam: { dataDir: join(host.world.root, one.containerId) } });
      const prevResult = await host.call("ADD", one, config);
      await mustPass(host.call("CHECK", one, { ...config, prevResult }), {
        when: "CHECK after ADD",
        expected: "success",
        why: "a false alarm ends a Pod that works",
      });
      inNetns(one.netns, () => apply("eth0"));
      const fails = {
        when: `CHECK, and ${damage}`,
        expected: `error 102 that names it: "${word}"`,
        why: "CHECK is how a runtime learns that a container has lost its network",
      };
      const error = await mustFail(
        host.call("CHECK", one, { ...config, prevResult }), CniError, fails,
      );
      judge(error.number === 102 && error.message.includes(word), {
        ...fails,
        happened: `error ${error.number}: ${error.message}`,
      });
      await host.call("DEL", one, config);
    }
  }),
);
