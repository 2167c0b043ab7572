import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import type { CniResult } from "@raft2kube/cni/lib/types.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { deleteAddress } from "@raft2kube/linux/netlink/address.ts";
import {
  deleteLink,
  getLink,
  type Link,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import { deleteRoute } from "@raft2kube/linux/netlink/route.ts";
import { ADDRESSES, ask, echoAddress } from "../../testing/network/host-network.ts";
import { check } from "../check.ts";
import { as, clauses, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustFail, mustPass } from "../must.ts";
import { type Container, GATEWAY, type Host, seenInvoke, withHost } from "./host.ts";
import { allocated, hostEnds, leftovers, linkOf, linksIn, stateOf } from "./kernel.ts";

check("ADD: two containers reach each other, the gateway, the host", () =>
  withHost(async (host) => {
    const [one, two] = [host.container(), host.container()];
    const [a] = [await host.call("ADD", one), await host.call("ADD", two)].map(addressIn);
    const servers = [await echoAddress(two.netns, 80), await echoAddress(host.net.host, 8080)];
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
    const links = [linkOf(host.net.host, "cni0"), linkOf(host.net.host, end?.name ?? "")];
    const eth0 = linkOf(one.netns, "eth0");
    const expected = [...links, eth0].map((link) => `${link?.name} ${link?.mac}`);
    const happened = [bridge, end, inside].map((each) => `${each?.name} ${each?.mac}`);
    mustEqual(happened, expected, {
      when: "the interfaces of ADD's result",
      why: "the next plugin of the chain finds the container's interface by it, at index 2",
    });
    mustEqual(
      interfaces.map(({ sandbox }) => sandbox ?? "host"),
      ["host", "host", one.netns],
      { when: "where they are", why: "an interface without a sandbox is the host's" },
    );
  }),
);

check("ADD: the result has the dns of the configuration, or else of IPAM", () =>
  withHost(async (host) => {
    const dns = { nameservers: ["10.96.0.10"] };
    const result = await host.call("ADD", host.container(), host.config({ bridge: { dns } }));
    mustEqual(result.dns, dns, {
      when: "ADD with dns in the configuration; the result's dns (ipamAdd, planResult)",
      why: "a runtime writes it into the container's resolv.conf",
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
    const { number } = await mustFail(host.call("ADD", one), CniError, fails);
    mustEqual(number, 4, { ...fails, when: `${fails.when}: the error` });
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
    const plain = join(host.net.root, "plain");
    writeFileSync(plain, "");
    const again = [
      ["DEL again", one],
      ["DEL with an empty CNI_NETNS", { ...one, netns: "" }],
      ["DEL with the namespace gone", { ...one, netns: join(host.net.root, "gone") }],
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

type Route = ReturnType<typeof openRoute>;

/** Damages of a container's interface, and the word that the error of CHECK must have. */
const DAMAGES: readonly (readonly [string, string, (route: Route, eth0: Link) => void])[] = [
  ["eth0 is down", "down", (route, eth0) => setLink(route, eth0, { up: false })],
  [
    "its address was deleted",
    "10.88.0.",
    (route, { index }) => deleteAddress(route, index, "10.88.0.2/24"),
  ],
  [
    "its default route was deleted",
    "0.0.0.0/0",
    (route, { index: link }) => deleteRoute(route, { to: "0.0.0.0/0", via: GATEWAY, link }),
  ],
  [
    "it has another hardware address",
    "02:00:00:00:00:77",
    (route, eth0) => setLink(route, eth0, { mac: "02:00:00:00:00:77" }),
  ],
  ["it was deleted", "eth0", (route, { name }) => deleteLink(route, name)],
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
      ...fails,
      happened: links.join(", ") || "IPAM was not called",
    });
  }, invoke);
});

const { results } = clauses(import.meta, {
  results: { what: text, word: text, path: (path) => text(path).split("."), value: as<unknown>() },
});

/** Changes a part of a result as the table says. */
function change(part: Record<string, unknown>, [key = "", ...path]: string[], value: unknown) {
  if (key === "+") (part as unknown as unknown[]).push(structuredClone(value));
  else if (key === "*") for (const each of Object.keys(part)) change(part, [each, ...path], value);
  else if (path.length > 0) change(part[key] as Record<string, unknown>, path, value);
  else if (value === null) delete part[key];
  else part[key] = value;
}

check("CHECK: compares what the result says of this interface", () =>
  withHost(async (host) => {
    const one = host.container();
    const result = await host.call("ADD", one);
    for (const { what, word, path, value } of results) {
      const prevResult = structuredClone(result);
      change(prevResult as object as Record<string, unknown>, path, value);
      const call = host.call("CHECK", one, { ...host.config(), prevResult });
      const why = "a chain of plugins has one result: CHECK is about this plugin's interface";
      if (word === "") {
        await mustPass(call, { when: `CHECK with ${what}`, expected: "success", why });
        continue;
      }
      const fails = { when: `CHECK with ${what}`, expected: `error 102, with ${word}`, why };
      const { number, message } = await mustFail(call, CniError, fails);
      judge(number === 102 && message.includes(word), {
        ...fails,
        happened: `error ${number}: ${message}`,
      });
    }
  }),
);

check("CHECK: a route is looked for in its own table; a namespace that is gone is error 102", () =>
  withHost(async (host) => {
    const one = host.container();
    const routes = [{ dst: "10.5.0.0/16", table: 77 }];
    const config = { ...host.config({ ipam: { routes } }), cniVersion: "1.1.0" };
    const prevResult = await host.call("ADD", one, config);
    await mustPass(host.call("CHECK", one, { ...config, prevResult }), {
      when: "CHECK after ADD with a route to 10.5.0.0/16 in table 77",
      expected: "success",
      why: "a false alarm ends a Pod that works",
    });
    prevResult.routes![0]!.table = 78;
    const fails = {
      when: "CHECK, and the result has the route in table 78",
      expected: "error 102 that names 10.5.0.0/16",
      why: "a rule that leads to table 78 finds no route there",
    };
    const { number, message } = await mustFail(
      host.call("CHECK", one, { ...config, prevResult }),
      CniError,
      fails,
    );
    judge(number === 102 && message.includes("10.5.0.0"), {
      ...fails,
      happened: `error ${number}: ${message}`,
    });
    const netns = join(host.net.root, "gone");
    prevResult.interfaces![2]!.sandbox = netns;
    const gone = {
      when: "CHECK, and the namespace is gone",
      expected: "error 102, check failed (containerEndOf)",
      why: "the runtime makes a new sandbox for 102; any other error is a fault of the plugin",
    };
    const check = host.call("CHECK", { ...one, netns }, { ...config, prevResult });
    const error = await mustFail(check, CniError, gone);
    judge(error.number === 102, { ...gone, happened: `error ${error.number}: ${error.message}` });
  }),
);

check("CHECK: passes after ADD, and names what is no longer as ADD left it", () =>
  withHost(async (host) => {
    for (const [damage, word, apply] of DAMAGES) {
      const one = host.container();
      // The same address for each: a fresh store.
      const config = host.config({ ipam: { dataDir: join(host.net.root, one.containerId) } });
      const prevResult = await host.call("ADD", one, config);
      await mustPass(host.call("CHECK", one, { ...config, prevResult }), {
        when: "CHECK after ADD",
        expected: "success",
        why: "a false alarm ends a Pod that works",
      });
      inNetns(one.netns, () => {
        using route = openRoute();
        apply(route, getLink(route, "eth0"));
      });
      const fails = {
        when: `CHECK, and ${damage}`,
        expected: `error 102 that names it: "${word}"`,
        why: "CHECK is how a runtime learns that a container has lost its network",
      };
      const error = await mustFail(
        host.call("CHECK", one, { ...config, prevResult }),
        CniError,
        fails,
      );
      judge(error.number === 102 && error.message.includes(word), {
        ...fails,
        happened: `error ${error.number}: ${error.message}`,
      });
      await host.call("DEL", one, config);
    }
  }),
);
