import { join } from "node:path";
import { deleteAddress } from "@raft2kube/linux/address.ts";
import { createVeth, deleteLink, getLink, openRoute, setLink } from "@raft2kube/linux/link.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { deleteRoute } from "@raft2kube/linux/route.ts";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
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
    const { kind, up, mtu } = second;
    mustEqual({ kind, up, mtu }, { kind: "bridge", up: true, mtu: 1450 }, {
      when: "cni0 is needed, twice, with an MTU of 1450",
      why: "a bridge that is down forwards nothing",
    });
    judge(first.index === second.index && first.mac === second.mac, {
      when: "cni0 is needed a second time",
      expected: "the same link",
      happened: "another one",
      why: "the first container's end is a port of the first bridge",
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
    const again = [
      ["DEL again", one],
      ["DEL with an empty CNI_NETNS", { ...one, netns: "" }],
      ["DEL with the namespace gone", { ...one, netns: join(host.world.root, "gone") }],
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
