import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HERE } from "@raft2kube/cni/lib/own-table.ts";
import { connectionBounds } from "@raft2kube/cni/node/connection-bound.ts";
import { configureGuest, createNode, deleteNode } from "@raft2kube/cni/node/node.ts";
import { guestRepair, NODE_DEVICE, nodeRepair } from "@raft2kube/cni/node/node-repair.ts";
import { createUnderlay, deleteUnderlay, macOf } from "@raft2kube/cni/node/underlay.ts";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { createVeth, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { configureLog, logger } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { LOOK_MS, startRepairLoop } from "../../../cli/process/repair-loop.ts";
import { createHostNetwork, type HostNetwork } from "../../../testing/network/host-network.ts";
import { waitFor } from "../../../testing/wait.ts";

// Takes turns, networks that change: see test/e2e/mode-changes.test.ts.

const clock = systemClock();
const NODE = {
  hostAddress: "10.200.0.1",
  nodeAddress: "10.200.0.2",
  nodeRange: "10.200.0.0/24",
  podCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
  dnsAddress: "10.96.0.10",
};
const SETTINGS = [
  "net/ipv4/ip_forward",
  "net/ipv4/ipfrag_time",
  "net/bridge/bridge-nf-call-iptables",
  `net/ipv4/conf/${NODE_DEVICE}/accept_redirects`,
];

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { encoding: "utf8" });
const nft = (words: string) => run("nft", ...words.split(" "));
const iptables = (words: string) => run("iptables-legacy", ...words.split(" "));

let net: HostNetwork;
beforeAll(() => {
  net = createHostNetwork();
});
afterAll(() => net.close());

/** The kernel settings of this process's namespace, and its rules without numbers of packets. */
function state(rules: () => string): string {
  const text = rules().replaceAll(/^#.*|\[\d+:\d+\]/gm, "");
  return [text, ...SETTINGS.map((name) => `${name} ${readSysctl(name)}`)].join("\n");
}

const settings = SETTINGS.map((name): [string, () => unknown] => {
  return [name, () => writeSysctl(name, readSysctl(name) === "1" ? 0 : 1)];
});

describe("a node in its namespace", () => {
  // In any order: a table that comes back is the last.
  const rules = () =>
    nft("-t list ruleset")
      .split(/^(?=table)/m)
      .sort()
      .join("");
  const repair = nodeRepair(NODE);
  const lines: string[] = [];
  let looks = 0;
  /** Looks often: an interval of LOOK_MS is only waited for. */
  const hasty: Clock = {
    ...clock,
    after(ms, fn) {
      if (ms === LOOK_MS) looks++;
      return clock.after(ms === LOOK_MS ? 100 : ms, fn);
    },
  };

  beforeAll(async () => {
    const underlayNetns = join(net.root, "underlay");
    const netnsPath = join(net.root, "node");
    const underlay = {
      ...NODE,
      name: "one",
      hostDevice: "r2k-one",
      netnsPath: underlayNetns,
      gateway: NODE.nodeAddress,
    };
    const node = { ...NODE, netnsPath, underlayNetns, port: "first" };
    await createUnderlay(underlay);
    await createNode(node);
    enterNetns(netnsPath);
    return async () => {
      enterNetns(net.host);
      await deleteNode(node);
      await deleteUnderlay(underlay);
    };
  });

  describe("that is looked at", () => {
    let loop: ReturnType<typeof startRepairLoop>;
    beforeEach(async () => {
      looks = lines.length = 0;
      configureLog({ level: "warn", stream: { write: (line) => void lines.push(line) } });
      loop = startRepairLoop({ repair, what: "the node", log: logger("test"), clock: hasty });
      await waitFor("the first look", () => looks > 0);
    });
    afterEach(async () => {
      await loop.close();
      configureLog({});
    });

    test.each([
      ["all rules", () => nft("flush ruleset")],
      ["the table", () => nft("delete table ip r2k-node")],
      ["a chain's rules", () => nft("flush chain ip r2k-node forward")],
      ["the bound of queries", () => nft("flush chain ip r2k-queries prerouting")],
      ["the bound of opened connections", () => nft("flush chain ip r2k-queries input")],
      ["the bound of connections", () => nft("flush chain ip r2k-connections prerouting")],
      ...settings,
    ])("gets %s back, and the log says so", async (_what, damage) => {
      const before = state(rules);
      damage();
      expect(state(rules)).not.toBe(before);
      await waitFor("the repair", () => state(rules) === before);
      await waitFor("the log", () => lines.length > 0);
      expect(lines.join("")).toContain("another program changed the node; put back");
    });
  });

  test("keeps its rules while others change theirs and packets fill the sets", async () => {
    await repair();
    nft("add table ip other");
    nft("add element ip r2k-connections counted { 10.244.0.9 ct count over 9 }");
    nft("add element ip r2k-queries asked { 10.244.0.9 limit rate over 9/second }");
    // The kernel forgets a counted address without connections after a while.
    nft("add element ip r2k-connections over { 10.244.0.9 timeout 1h }");
    expect([await repair(), await repair()]).toEqual([false, false]);
    expect(nft("list set ip r2k-connections over")).toContain("10.244.0.9");
    nft("delete table ip other");
  });

  test("keeps its rules when another command has set the same", async () => {
    await repair();
    await nodeRepair(NODE)();
    expect(await repair()).toBe(false);
  });

  test("sets its rules once while another program changes its own all the time", async () => {
    const change = "nft add table ip other; nft delete table ip other";
    const busy = spawn("sh", ["-c", `while :; do ${change}; echo; done`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(busy.stdout, "data");
    busy.stdout.resume();
    const ended = once(busy, "exit");
    try {
      for (let times = 0; times < 5; times++) {
        const again = nodeRepair(NODE);
        expect([await again(), await again()]).toEqual([true, false]);
      }
    } finally {
      busy.kill("SIGKILL");
      await ended;
    }
  });

  test("gets the bound of connections back after nft has failed once", async () => {
    const bounds = connectionBounds(HERE, { ...NODE, hostMac: macOf(NODE.hostAddress) });
    await bounds();
    nft("flush chain ip r2k-connections prerouting");
    const failing = join(net.root, "failing");
    mkdirSync(failing);
    writeFileSync(join(failing, "nft"), "#!/bin/sh\necho Cannot allocate memory >&2\nexit 1\n", {
      mode: 0o755,
    });
    vi.stubEnv("PATH", `${failing}:${process.env["PATH"]}`);
    try {
      await expect(bounds()).rejects.toThrow("Cannot allocate memory");
    } finally {
      vi.unstubAllEnvs();
    }
    expect(await bounds()).toBe(true);
    expect(nft("list chain ip r2k-connections prerouting")).toContain("ct count");
  });
});

describe("a guest", () => {
  const rules = () => run("iptables-legacy-save");

  beforeAll(async () => {
    const [guest, peer] = [net.container(), net.container()];
    enterNetns(guest);
    {
      using route = openRoute();
      createVeth(route, { name: NODE_DEVICE }, { name: NODE_DEVICE, netns: peer, up: true });
    }
    await configureGuest(NODE);
    return () => enterNetns(net.host);
  });

  test.each([
    ["a chain", () => iptables("-F R2K-NODE")],
    ["a jump", () => iptables("-D FORWARD -j R2K-NODE")],
    ["the bound of queries", () => iptables("-t mangle -F R2K-QUERIES")],
    ["the bound of opened connections", () => iptables("-t mangle -F R2K-OPENED")],
    ["the bound of connections", () => iptables("-t mangle -F R2K-CONNECTIONS")],
    ...settings,
  ])("gets %s back", async (_what, damage) => {
    const repair = guestRepair(NODE);
    const before = state(rules);
    expect(await repair()).toBe(false);
    damage();
    expect(state(rules)).not.toBe(before);
    expect(await repair()).toBe(true);
    expect(state(rules)).toBe(before);
  });
});

test("a namespace without the node's link gets nothing", async () => {
  enterNetns(net.container());
  const before = run("nft", "list", "ruleset") + readSysctl("net.ipv4.ip_forward");
  for (const repair of [nodeRepair(NODE), guestRepair(NODE)]) expect(await repair()).toBe(false);
  expect(run("nft", "list", "ruleset") + readSysctl("net.ipv4.ip_forward")).toBe(before);
  enterNetns(net.host);
});
