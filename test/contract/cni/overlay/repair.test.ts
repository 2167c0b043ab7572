import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { applyRoutes } from "@raft2kube/cni/node/node-routes.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { setTransmitChecksum, transmitChecksum } from "@raft2kube/linux/netlink/ethtool.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { configureLog } from "@raft2kube/observe/log.ts";
import { OverlayNetwork } from "@raft2kube/overlay/apply.ts";
import { OVERLAY_VERIFY_MS } from "@raft2kube/overlay/limits.ts";
import { cleanup, type OverlayHandle } from "@raft2kube/overlay/main.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../../testing/wait.ts";
import { attachPod, frame, inject, plainArrivals, type Sender, udpIn } from "./injection.ts";
import { startOurs } from "./ours.ts";
import { addTwin, routesOf } from "./suite.ts";
import {
  clock,
  HOST,
  type Machine,
  patience,
  ping,
  send,
  serveEchoes,
  Underlay,
} from "./underlay.ts";

// Takes turns, networks that change: see test/e2e/mode-changes.test.ts.
const VXLAN = { Type: "vxlan" };
/** Bound of all namespaces together; readable in that of the machine alone. */
const NEIGHBOURS_MAX = Number(readSysctl("net/ipv4/neigh/default/gc_thresh3"));

let underlay: Underlay;
let one: Machine;
let two: Machine;
let here: OverlayHandle;

/** A program in a machine's namespace, as a person uses it. */
const run = ({ netns }: Pick<Sender, "netns">, program: string, words: string) =>
  inNetns(netns, () => execFileSync(program, words.split(" "), { encoding: "utf8" }));

const ip = (machine: Sender, words: string) => run(machine, "ip", words);
const route = (machine: Machine, words = "show") => ip(machine, `route ${words}`);
const fdb = (machine: Machine, words: string) => run(machine, "bridge", `fdb ${words}`);
const reaches = () => ping(one.netns, "10.244.2.0");

/** The overlay's part of a machine's tables. */
function tablesOf(machine: Machine, device: string): string {
  return [
    route(machine).replaceAll(/ (linkdown|dead)/g, ""),
    ip(machine, `neigh show dev ${device} nud permanent`),
    device === "flannel.1" ? fdb(machine, `show dev ${device}`) : "",
    ip(machine, `-o addr show dev ${device} scope global`).replace(/^\d+/, ""),
    /mtu \d+/.exec(ip(machine, `link show ${device}`))?.[0],
  ].join("\n");
}

beforeAll(async () => {
  underlay = await Underlay.create();
  [one, two] = [await underlay.machine(), await underlay.machine()];
  const handles = await Promise.all([one, two].map((each) => startOurs(underlay, each, VXLAN)));
  await Promise.all(handles.map(({ ready }) => ready));
  here = handles[0]!;
  await waitFor("the overlay", reaches, patience);
});
afterAll(() => underlay.close());

describe("what is changed by hand comes back", () => {
  test.each([
    ["a route deleted", () => route(one, "del 10.244.2.0/24")],
    ["a route replaced", () => route(one, "replace 10.244.2.0/24 via 10.77.0.1")],
    ["a neighbour deleted", () => ip(one, "neigh del 10.244.2.0 dev flannel.1")],
    [
      "a neighbour replaced",
      () =>
        ip(one, "neigh replace 10.244.2.0 lladdr 02:00:00:00:00:55 dev flannel.1 nud permanent"),
    ],
    [
      "forwarding entries deleted",
      () => {
        for (const line of fdb(one, "show dev flannel.1").trim().split("\n")) {
          const [mac = "", , dst = ""] = line.split(" ");
          fdb(one, `del ${mac} dev flannel.1 dst ${dst} self`);
        }
        return "";
      },
    ],
    [
      "a forwarding entry for floods added",
      () => fdb(one, "append 00:00:00:00:00:00 dev flannel.1 dst 10.77.0.66 self"),
    ],
    ["the link set down", () => ip(one, "link set flannel.1 down")],
    ["the link deleted", () => ip(one, "link del flannel.1")],
    ["the link's address deleted", () => ip(one, "addr del 10.244.1.0/32 dev flannel.1")],
    ["the link's MTU changed", () => ip(one, "link set flannel.1 mtu 1300")],
    [
      "the link's hardware address changed",
      () => ip(one, "link set flannel.1 address 02:00:00:00:00:77"),
    ],
  ])("%s", async (_what, change) => {
    const tables = () => tablesOf(one, "flannel.1");
    const before = tables();
    change();
    await waitFor("the repair", () => tables() === before, patience);
    await waitFor("packets", reaches, patience);
  });

  test("a rule that keeps forged packets out, with the next look", async () => {
    const table = () => run(one, "nft", "list table ip r2k-overlay-guard");
    const whole = table();
    run(one, "nft", "flush chain ip r2k-overlay-guard input");
    expect(table()).not.toBe(whole);
    route(one, "del 10.244.2.0/24");
    await waitFor("the rule", () => table() === whole, patience);
  });

  test("an annotation", async () => {
    const key = "flannel.alpha.coreos.com/public-ip";
    const metadata = { annotations: { [key]: "10.77.0.200" } };
    await underlay.nodes.patch({ name: one.name }, "merge", { metadata });
    const published = async () => {
      const {
        metadata: { annotations },
      } = await underlay.nodes.get({ name: one.name });
      return annotations?.[key] === one.address;
    };
    await waitFor("the annotation", published, patience);
  });
});

describe("packets into the overlay come from nodes alone", () => {
  /** Returns the frames that arrive of a forged one and of one that a node sends after it. */
  const arrivals = async (forger: Sender, node: Machine, forged?: string) => {
    const { mac = "" } = new OverlayNetwork(two.netns).find("flannel.1") ?? {};
    const source = node.podCidr.replace("0/24", "9");
    const to = { mac, source, address: "10.244.2.0", port: 7_777 };
    const found: string[] = [];
    const socket = udpIn(two.netns, to.address, to.port);
    socket.on("message", (text) => void found.push(text.toString()));
    await inject(forger, two.address, frame({ ...to, source: forged ?? source, text: "forged" }));
    const isFound = async () => {
      await inject(node, two.address, frame({ ...to, text: "node" }));
      return found.includes("node");
    };
    await waitFor("a node's frame", isFound, patience);
    socket.close();
    return found;
  };

  test("none of a machine that is no node", async () => {
    const stranger = { netns: "/proc/thread-self/ns/net", address: "10.77.0.1" };
    expect(await arrivals(stranger, one)).not.toContain("forged");
  });

  test("and of a node none with the source of another's pod", async () => {
    expect(await arrivals(one, one, "10.244.3.9")).not.toContain("forged");
  });

  test("none of a pod, which its node would masquerade, and none in a pod's name without", async () => {
    const machine = await underlay.machine();
    const handle = await startOurs(underlay, machine, VXLAN, { ipMasq: true });
    await handle.ready;
    {
      using pod = attachPod(machine);
      expect(await arrivals(pod, machine)).not.toContain("forged");
      expect(await plainArrivals(one, machine, pod, "10.244.2.9")).not.toContain("10.244.2.9");
    }
    await handle.close();
    await underlay.nodes.delete({ name: machine.name });
  });
});

/** Two machines with the overlay, for one test. */
async function pairOf(backend: object) {
  const machines = [await underlay.machine(), await underlay.machine()] as const;
  const handles = await Promise.all(machines.map((each) => startOurs(underlay, each, backend)));
  const [here, there] = machines;
  const areRouted = () =>
    routesOf(here).includes(there.podCidr) && routesOf(there).includes(here.podCidr);
  await waitFor("their routes", areRouted, patience);
  return {
    machines,
    async [Symbol.asyncDispose]() {
      for (const handle of handles) await handle.close();
      for (const { name } of machines) await underlay.nodes.delete({ name });
    },
  };
}

describe("with other configurations", () => {
  test.each([
    [
      "host-gw",
      { Type: "host-gw" },
      "eth0",
      [
        (here: Machine, range: string) => route(here, `del ${range}`),
        (here: Machine, range: string) => route(here, `replace ${range} via 10.77.0.1`),
      ],
    ],
    [
      "UDP",
      { Type: "udp" },
      "flannel0",
      [
        (here: Machine, range: string) => route(here, `del ${range}`),
        (here: Machine) => ip(here, "addr flush dev flannel0"),
        (here: Machine) => ip(here, "link set flannel0 down"),
        (here: Machine) => ip(here, "link del flannel0"),
      ],
    ],
  ])("%s: what is changed by hand comes back", async (_what, backend, device, changes) => {
    await using pair = await pairOf(backend);
    const [here, there] = pair.machines;
    using pod = attachPod(there);
    const carries = () => ping(here.netns, pod.address);
    await waitFor("packets", carries, patience);
    const before = tablesOf(here, device);
    for (const change of changes) {
      change(here, there.podCidr);
      await waitFor(
        `the repair after ${change}`,
        () => ip(here, "link").includes(device) && tablesOf(here, device) === before,
        patience,
      );
      await waitFor("packets", carries, patience);
    }
  });

  test("without checksum offload packets are whole, and it stays off", async () => {
    await using pair = await pairOf({ ...VXLAN, ChecksumOffload: false });
    const [here, there] = pair.machines;
    using from = attachPod(here);
    using to = attachPod(there);
    const isOff = () =>
      pair.machines.every(({ netns }) =>
        inNetns(netns, () => transmitChecksum("flannel.1") === false),
      );
    expect(isOff()).toBe(true);
    await waitFor("packets", () => ping(from.netns, to.address), patience);
    const server = await serveEchoes(to.netns, 7_001);
    expect(await send(from.netns, to.address, 7_001, 1 << 20)).toBe(from.address);
    server.close();
    inNetns(here.netns, () => setTransmitChecksum("flannel.1", true));
    expect(isOff()).toBe(false);
    await waitFor("the setting", isOff, patience);
  });
});

test("changes that were missed are followed by a look at everything", async () => {
  // More than OVERLAY_CHANGES_BYTES hold.
  const FLOOD = 30_000;
  let isIdle = false;
  // Without the periodic look, which would find all of it too.
  const aperiodic: Clock = {
    ...clock,
    after(delay_ms, fn) {
      if (delay_ms !== OVERLAY_VERIFY_MS) return clock.after(delay_ms, fn);
      isIdle = true;
      return { cancel: () => void (isIdle = false) };
    },
  };
  const machine = await underlay.machine();
  const handle = await startOurs(underlay, machine, VXLAN, { clock: aperiodic });
  const has = () => routesOf(machine).includes(two.podCidr);
  await waitFor("an overlay that waits for changes", () => has() && isIdle, patience);
  // None of the overlay's but one, in the middle; this process reads nothing until all are there.
  const others = Array.from({ length: FLOOD }, (_, i) => {
    return `route add 198.18.${i >> 8}.${i & 255} dev lo\n`;
  });
  others.splice(FLOOD / 2, 0, `route del ${two.podCidr}\n`);
  const lines: string[] = [];
  configureLog({ level: "info", stream: { write: (line) => void lines.push(line) } });
  inNetns(machine.netns, () => execFileSync("ip", ["-batch", "-"], { input: others.join("") }));
  expect(eventsLost(machine), "the route's end among them").toBeGreaterThan(FLOOD / 2);
  expect(has()).toBe(false);
  await waitFor("the route", has, patience);
  await waitFor("an overlay that waits for changes", () => isIdle, patience);
  route(machine, `del ${two.podCidr}`);
  await waitFor("the route, by a change that is reported", has, patience);
  configureLog({});
  const missed = lines.filter((line) => line.includes("changes of the network were missed"));
  expect(missed).toEqual([expect.stringContaining('"level":"info"')]);
  await handle.close();
  await underlay.nodes.delete({ name: machine.name });
});

/** The most events that one listener of rtnetlink in a machine's namespace did not get. */
function eventsLost({ netns }: Machine): number {
  return inNetns(netns, () => {
    const table = readFileSync("/proc/thread-self/net/netlink", "utf8").trim().split("\n");
    const dropped = table[0]?.trim().split(/\s+/).indexOf("Drops") ?? 0;
    return Math.max(...table.slice(1).map((row) => Number(row.trim().split(/\s+/)[dropped])));
  });
}

describe("a table of neighbours, which all namespaces of a machine share", () => {
  test("is full, and nodes that never spoke reach each other, and the API server", async () => {
    await using pair = await pairOf(VXLAN);
    const [here, there] = pair.machines;
    // And its guard takes packets from there: nothing is applied while this process waits below.
    const knows = (machine: Machine, { address }: Machine) => {
      const guard = run(machine, "nft", "list ruleset");
      return ip(machine, `neigh show ${address}`).includes("lladdr") && guard.includes(address);
    };
    await waitFor("their entries", () => knows(here, there) && knows(there, here), patience);
    const apiServer = { address: new URL(underlay.api.server).hostname };
    const isKept = () => ip(here, `neigh show ${apiServer.address}`).includes("lladdr");
    await waitFor("the API server's entry", isKept, patience);
    // The API server's machine, which is the gateway too, keeps its nodes as the host does.
    const plan = { routes: new Map([[here.podCidr, here.address]]), gateway: undefined };
    applyRoutes("br0", apiServer.address, plan);
    const input = Array.from({ length: NEIGHBOURS_MAX + 64 }, (_, i) => {
      const address = `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
      return `neigh replace ${address} lladdr 02:00:00:00:00:09 dev many nud reachable\n`;
    }).join("");
    execFileSync("ip", ["link", "add", "many", "up", "type", "bridge"]);
    try {
      const { stderr } = spawnSync("ip", ["-force", "-batch", "-"], { input, encoding: "utf8" });
      expect(stderr).toContain("No buffer space available");
      for (const address of [there.podCidr.replace("/24", ""), apiServer.address]) {
        const { status } = inNetns(here.netns, () =>
          spawnSync("busybox", ["ping", "-c", "1", "-w", "2", address]),
        );
        expect(status, address).toBe(0);
      }
    } finally {
      // Other tests wait for space: no turn of this process's loop is in between.
      execFileSync("ip", ["link", "del", "many"]);
      applyRoutes("br0", apiServer.address, { ...plan, routes: new Map() });
    }
  });

  test("has of a pod that scans no more than the addresses of its range", async () => {
    using pod = attachPod(one);
    const socket = udpIn(pod.netns, pod.address);
    for (const subnet of [1, 60, 61]) {
      for (let last = 1; last < 255; last++) {
        await new Promise((sent) => socket.send("?", 9, `10.244.${subnet}.${last}`, sent));
      }
    }
    socket.close();
    const entries = ip(pod, "-4 neigh show dev eth0 nud all").trim().split("\n");
    expect(entries.length).toBeGreaterThan(200);
    expect(entries.filter((line) => !line.startsWith("10.244.1."))).toEqual([]);
  });
});

test("neighbours of the underlay are kept while they are needed", async () => {
  const machine = await underlay.machine();
  // Else the API server would be kept as the gateway.
  route(machine, "del default");
  ip(machine, `neigh add ${one.address} lladdr 02:00:00:00:00:55 dev eth0 nud permanent`);
  const apiServers = [new URL(underlay.api.server).hostname, "10.77.0.201"];
  const handle = await startOurs(underlay, machine, VXLAN, { iface: "eth0", apiServers });
  await handle.ready;
  const kept = () => ip(machine, "neigh show dev eth0 protocol 114");
  await waitFor("the entry", () => kept().includes(two.address), patience);
  for (const each of apiServers) expect(kept()).toContain(`${each} `);
  route(machine, "add 198.51.100.0/24 via 10.77.0.254");
  await waitFor("a gateway's", () => kept().includes("10.77.0.254"), patience);
  route(machine, "del 198.51.100.0/24");
  await waitFor("its end", () => !kept().includes("10.77.0.254"), patience);
  const other = await addTwin(underlay, two);
  await waitFor("a new node's", () => kept().includes(other.address), patience);
  await underlay.nodes.delete({ name: other.name });
  await waitFor("its end", () => !kept().includes(other.address), patience);
  await handle.close();
  await cleanup(machine);
  expect(kept()).toBe("");
  expect(ip(machine, `neigh show ${one.address}`)).toContain("PERMANENT");
  await underlay.nodes.delete({ name: machine.name });
});

test("a node's new address is published, and the others send there", async () => {
  ip(two, `addr del ${two.address}/24 dev eth0`);
  ip(two, "addr add 10.77.0.222/24 dev eth0");
  route(two, "add default via 10.77.0.1");
  const isTaken = () => fdb(one, "show dev flannel.1").includes("10.77.0.222");
  await waitFor("the others' entries", isTaken, patience);
  await waitFor("packets", reaches, patience);
});

test("an underlay's smaller MTU is taken over, and told the plugins", async () => {
  ip(one, "link set eth0 mtu 1400");
  const names = (mtu: number) => readFileSync(one.subnetFile, "utf8").includes(`_MTU=${mtu}`);
  await waitFor("the file", () => names(1_350), patience);
  expect(ip(one, "link show flannel.1")).toContain("mtu 1350");
  ip(one, "link set eth0 mtu 1500");
  await waitFor("the file", () => names(1_450), patience);
});

describe("garbage of another node", () => {
  const peer = (podCidr: string, address = "10.77.0.150") => ({
    ...two,
    name: "garbage",
    podCidr,
    address,
  });
  const annotated = async (annotations: Record<string, string>) => {
    const named = Object.entries(annotations).map(([key, value]) => [
      `flannel.alpha.coreos.com/${key}`,
      value,
    ]);
    await underlay.nodes.patch({ name: "garbage" }, "merge", {
      metadata: { annotations: Object.fromEntries(named) },
    });
  };
  const fine = {
    "kube-subnet-manager": "true",
    "backend-type": "vxlan",
    "public-ip": "10.77.0.150",
    "backend-data": '{"VNI":1,"VtepMAC":"02:00:00:00:01:50"}',
  };

  test.each([
    ["annotations", "10.244.50.0/24", { "backend-data": "{" }, /backend-data/],
    ["an address in the network", "10.244.50.0/24", { "public-ip": "10.244.2.9" }, /in the overl/],
    ["a range that overlaps another's", "10.244.2.128/25", {}, /overlaps 10\.244\.2\.0\/24/],
    ["a range outside the network", "10.99.0.0/24", {}, /is not in the overlay's Network/],
  ])("%s: it is left out and named, the others stay", async (_what, podCidr, more, problem) => {
    await underlay.addNode(peer(podCidr));
    await annotated({ ...fine, ...more });
    const named = () => here.problems().some((text) => problem.test(text));
    await waitFor("the problem", named, patience);
    expect(route(one)).not.toContain(podCidr);
    expect(await reaches()).toBe(true);
    await annotated(fine);
    await underlay.nodes.delete({ name: "garbage" });
    await waitFor("its end", () => here.problems().length === 0, patience);
  });
});

test("a range outside the network is the Node's condition, until it is right", async () => {
  const machine = await underlay.machine("10.9.0.0/24");
  await startOurs(underlay, machine, VXLAN);
  const condition = async () => {
    const { status } = await underlay.nodes.get({ name: machine.name });
    return status?.conditions?.find(({ type }) => type === "NetworkUnavailable");
  };
  const failed = await waitFor("the condition", condition, patience);
  expect(failed).toMatchObject({ status: "True", reason: "OverlayFailed" });
  expect(failed.message).toMatch(/10\.9\.0\.0\/24 is not in.*10\.244\.0\.0\/16.*cluster-cidr/);
  await underlay.nodes.delete({ name: machine.name });
  await underlay.addNode({ ...machine, podCidr: "10.244.77.0/24" });
  const works = async () => (await condition())?.status === "False";
  await waitFor("the condition", works, patience);
});

test("a start after an end changes nothing, another back end takes the link away", async () => {
  const machine = await underlay.machine();
  const first = await startOurs(underlay, machine, VXLAN);
  await first.ready;
  await first.close();
  const before = ip(machine, "-d link show flannel.1");
  const second = await startOurs(underlay, machine, VXLAN);
  await second.ready;
  expect(ip(machine, "-d link show flannel.1")).toBe(before);
  await second.close();
  const third = await startOurs(underlay, machine, { Type: "vxlan", VNI: 9 });
  await third.ready;
  expect(ip(machine, "-br link show type vxlan")).toMatch(/^flannel\.9 .*\n$/);
  await third.close();
  await cleanup(machine);
  expect(ip(machine, "-br link show type vxlan")).toBe("");
  await underlay.nodes.delete({ name: machine.name });
});

/** Returns the source of a datagram as it arrives. */
async function sourceSeenBy(to: Sender, from: Sender): Promise<string> {
  const receiver = udpIn(to.netns, to.address, 9_998);
  const arrived = once(receiver, "message") as Promise<[Buffer, { address: string }]>;
  const sender = udpIn(from.netns, from.address);
  try {
    await new Promise((sent) => sender.send("?", 9_998, to.address, sent));
    const [, { address }] = await arrived;
    return address;
  } finally {
    sender.close();
    receiver.close();
  }
}

test("pods' packets to other networks have their node's address, with --ip-masq", async () => {
  const machine = await underlay.machine();
  const handle = await startOurs(underlay, machine, VXLAN, { ipMasq: true });
  await handle.ready;
  {
    using pod = attachPod(machine);
    using other = attachPod(two);
    await waitFor("packets", () => ping(pod.netns, other.address), patience);
    expect(await sourceSeenBy(HOST, pod)).toBe(machine.address);
    expect(await sourceSeenBy(other, pod)).toBe(pod.address);
  }
  expect(readFileSync(machine.subnetFile, "utf8")).toContain("FLANNEL_IPMASQ=true");
  await handle.close();
  await cleanup(machine);
  expect(run(machine, "nft", "list ruleset")).toBe("");
});
