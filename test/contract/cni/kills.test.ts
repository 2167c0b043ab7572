import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { type Cni, createCni } from "@raft2kube/cni/lib/cni.ts";
import { inProcessInvoke } from "@raft2kube/cni/lib/in-process.ts";
import { formatSubnetEnv } from "@raft2kube/cni/lib/subnet-env.ts";
import type { Attachment, Invoke, NetworkList } from "@raft2kube/cni/lib/types.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { deleteNetns } from "@raft2kube/linux/namespace/netns.ts";
import { listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { Bench, GATEWAY } from "./bench.ts";
import { type CallPoint, killedAt, pointsOf } from "./traced.ts";

const built = suiteFolder("r2k-cni-kills-");
const ALL_TIMEOUT_MS = 1_800_000;
const ROUTES = [{ dst: "0.0.0.0/0" }];

/** Calls plugins that are not killed within this process, which is quicker. */
const notExec = () => Promise.reject(new Error("our own build was exec'd"));
const inProcess = inProcessInvoke({ plugins: PLUGINS, exec: notExec });

let bench: Bench;
let count = 0;
beforeAll(async () => {
  await buildPlugins(built);
  bench = new Bench({
    pluginDir: () => built,
    newest: "1.1.0",
    ours: true,
    checksPorts: true,
    invoke: inProcess,
  });
});
afterAll(() => bench.close());

const BRIDGE = { type: "bridge", bridge: "cni0", isGateway: true, ipspoofchk: true, ipMasq: true };
const PORTMAP = { type: "portmap", capabilities: { portMappings: true } };

/**
 * Networks that together have every plugin which keeps something outside of the container: not
 * loopback, and not static.
 */
const NETWORKS: Readonly<Record<string, () => NetworkList>> = {
  bridge: () =>
    bench.listOf([
      { ...BRIDGE, ipam: bench.hostLocal({ routes: ROUTES }) },
      PORTMAP,
      { type: "bandwidth", ingressRate: 8e6, ingressBurst: 8e5, egressRate: 8e6, egressBurst: 8e5 },
    ]),
  iptables: () =>
    bench.listOf([
      { ...BRIDGE, ipMasqBackend: "iptables", ipam: bench.hostLocal({ routes: ROUTES }) },
      { ...PORTMAP, backend: "iptables" },
    ]),
  "host-local": () => bench.listOf([{ type: "host-local", ipam: bench.hostLocal() }]),
  ptp: () =>
    bench.listOf([{ type: "ptp", ipMasq: true, ipam: bench.hostLocal({ routes: ROUTES }) }]),
  flannel: flannelList,
};

/** A network of the plugin flannel, which delegates to bridge and host-local in its process. */
function flannelList(): NetworkList {
  const subnetFile = join(bench.net.root, "subnet.env");
  const env = { networks: ["10.80.0.0/12"], subnets: [`${GATEWAY}/24`], mtu: 1450, ipMasq: false };
  writeFileSync(subnetFile, formatSubnetEnv(env));
  const ipam = { ...bench.hostLocal(), ranges: undefined };
  return bench.listOf([{ type: "flannel", subnetFile, dataDir: flannelDir(), ipam }]);
}

function flannelDir(): string {
  const dir = join(bench.net.root, "flannel");
  mkdirSync(dir, { recursive: true });
  return dir;
}

const PORTS = [
  { hostPort: 8081, containerPort: 80, protocol: "tcp" as const },
  { hostPort: 8082, containerPort: 80, protocol: "tcp" as const, hostIP: "127.0.0.1" },
];

/** The backend iptables refuses an address of the host's loopback. */
function newAttachment({ plugins }: NetworkList): Attachment {
  const containerId = `kill${count++}`;
  const isIptables = plugins.some((plugin) => plugin["backend"] === "iptables");
  const capabilityArgs = { portMappings: isIptables ? PORTS.slice(0, 1) : PORTS };
  return { containerId, netns: bench.net.container(), ifName: "eth0", capabilityArgs };
}

const cniOf = (invoke: Invoke): Cni =>
  createCni({ pluginDirs: [built], cacheDir: join(bench.net.root, "cache"), invoke });

/** The runtime is killed with the plugin: it does not undo an ADD. */
const withoutUndo =
  (invoke: Invoke): Invoke =>
  (file, request) =>
    request.command === "DEL" ? Promise.resolve(undefined) : invoke(file, request);

/** Everything outside of containers that the plugins make for one of them. */
function state(): Record<string, unknown> {
  using route = openRoute();
  const links = listLinks(route).map(({ name }) => name);
  const isAddress = (name: string) => name !== "lock" && !name.startsWith("last_reserved_ip");
  return {
    addresses: readdirSync(join(bench.net.root, "ipam/testnet")).filter(isAddress),
    added: readdirSync(flannelDir()),
    links: links.sort(),
    routes: execFileSync("ip", ["route"], { encoding: "utf8" }).replaceAll(/ linkdown/g, ""),
    rules: execFileSync("nft", ["-s", "list", "ruleset"], { encoding: "utf8" }),
    localnet: links.includes("cni0") && readSysctl("net/ipv4/conf/cni0/route_localnet"),
  };
}

type Victim = { readonly plugin: string; readonly command: "ADD" | "DEL" };

const tracedOf = (victim: Victim) => ({
  ...victim,
  dir: join(bench.net.root, "traced"),
  others: inProcess,
});

/** Kills one plugin of an ADD or a DEL at a point; returns whether it came that far. */
async function killAt(
  list: NetworkList,
  at: Attachment,
  point: CallPoint,
  what: Victim,
): Promise<boolean> {
  const invoke = killedAt(point, tracedOf(what));
  try {
    if (what.command === "ADD") await cniOf(withoutUndo(invoke)).addNetworkList(list, at);
    else {
      await bench.cni.addNetworkList(list, at);
      await cniOf(invoke).delNetworkList(list, at);
    }
    return false;
  } catch (thrown) {
    expect(thrown).toMatchObject({ name: "CniError" });
    return true;
  }
}

/** How a runtime takes away what a killed call has left. */
const REPAIRS = {
  /** Repeats DEL while the container's namespace exists. */
  DEL: (list: NetworkList, at: Attachment) => bench.cni.delNetworkList(list, at),
  /** Collects garbage without a record of the container, whose namespace is gone. */
  GC: async (list: NetworkList, { netns }: Attachment) => {
    deleteNetns(netns);
    await bench.cni.gcNetworkList(list, []);
  },
};
type Repair = keyof typeof REPAIRS;

/** The chains and tables that stay with the first container. */
async function baseline(list: NetworkList): Promise<Record<string, unknown>> {
  const at = newAttachment(list);
  await bench.cni.addNetworkList(list, at);
  await bench.cni.delNetworkList(list, at);
  return state();
}

async function expectRepaired(
  list: NetworkList,
  at: Attachment,
  repair: Repair,
  before: Record<string, unknown>,
  what: string,
): Promise<void> {
  await REPAIRS[repair](list, at);
  const links = JSON.stringify(before.links);
  // The kernel takes the links of a namespace away after it.
  if (repair === "GC") {
    const gone = () => JSON.stringify(state().links) === links;
    await waitFor(`the links after ${what}`, gone);
  }
  expect(state(), what).toEqual(before);
}

/** A place before, between and after the changes of each plugin. */
const SAMPLE: [keyof typeof NETWORKS, string, "ADD" | "DEL", CallPoint, Repair][] = [
  ["bridge", "bridge", "ADD", { call: "rename", nth: 1 }, "DEL"],
  ["bridge", "bandwidth", "ADD", { call: "sendto", nth: 8 }, "GC"],
  ["bridge", "bridge", "DEL", { call: "unlink", nth: 1 }, "GC"],
  ["bridge", "portmap", "DEL", { call: "execve", nth: 2 }, "DEL"],
  ["flannel", "flannel", "ADD", { call: "rename", nth: 1 }, "DEL"],
  ["flannel", "flannel", "ADD", { call: "rename", nth: 1 }, "GC"],
  ["iptables", "portmap", "ADD", { call: "execve", nth: 2 }, "GC"],
  ["host-local", "host-local", "ADD", { call: "rename", nth: 1 }, "GC"],
];

describe("a plugin that is killed leaves no address, link or rule", () => {
  test.each(SAMPLE)("%s: %s in %s at %j, then %s", async (network, plugin, command, point, by) => {
    const list = NETWORKS[network]!();
    const before = await baseline(list);
    const at = newAttachment(list);
    expect(await killAt(list, at, point, { plugin, command })).toBe(true);
    await expectRepaired(list, at, by, before, plugin);
  });
});

const ALL = process.env["R2K_CNI_KILLS"] !== undefined;

describe.runIf(ALL)("plugins killed at each system call", { timeout: ALL_TIMEOUT_MS }, () => {
  test.each([
    ["bridge", "bridge"],
    ["bridge", "portmap"],
    ["bridge", "bandwidth"],
    ["ptp", "ptp"],
    ["flannel", "flannel"],
    ["iptables", "bridge"],
    ["iptables", "portmap"],
    ["host-local", "host-local"],
  ])("%s: %s", async (network, plugin) => {
    const list = NETWORKS[network]!();
    const before = await baseline(list);
    for (const command of ["ADD", "DEL"] as const) {
      const points = await pointsOf(tracedOf({ plugin, command }), async (invoke) => {
        const at = newAttachment(list);
        await cniOf(command === "ADD" ? invoke : inProcess).addNetworkList(list, at);
        await cniOf(invoke).delNetworkList(list, at);
      });
      let killed = 0;
      for (const point of points) {
        for (const repair of Object.keys(REPAIRS) as Repair[]) {
          const at = newAttachment(list);
          if (await killAt(list, at, point, { plugin, command })) killed++;
          const what = `${command} at ${point.call} ${point.nth}, then ${repair}`;
          await expectRepaired(list, at, repair, before, `${plugin}: ${what}`);
        }
      }
      const found = `${points.length} points, ${killed} killed`;
      process.stdout.write(`${network}: ${plugin} ${command}: ${found}\n`);
      expect(killed).toBeGreaterThan(points.length);
    }
  });
});
