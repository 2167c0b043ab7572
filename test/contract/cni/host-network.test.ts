import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { guardPodSources } from "@raft2kube/cni/node/port-guard.ts";
import { createUnderlay, deleteUnderlay, egressRepair } from "@raft2kube/cni/node/underlay.ts";
import { listRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { configureLog } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RETRY_MS, startNodeRoutes } from "../../../cli/process/node-routes.ts";
import { LOOK_MS } from "../../../cli/process/repair-loop.ts";
import { waitFor } from "../../../testing/wait.ts";
import { patience, Underlay } from "./overlay/underlay.ts";

const clock = systemClock();
let retries = 0;
/** Looks and tries again often: these intervals are only waited for. */
const hasty: Clock = {
  ...clock,
  after(ms, fn) {
    if (ms === RETRY_MS) retries++;
    return clock.after(ms === LOOK_MS || ms === RETRY_MS ? 100 : ms, fn);
  },
};
const FORWARD = "net.ipv4.ip_forward";
const RANGES = {
  nodeRange: "10.200.0.0/24",
  podCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
};
const [SOURCE, GATEWAY, SECOND] = ["10.200.0.1", "10.200.0.2", "10.200.0.3"];
const HOST = { name: "kept", hostDevice: "r2k-kept", ...RANGES };

/** The routes by the cluster's link, its rule, and whether the host forwards. */
function state(): string {
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { encoding: "utf8" });
  return [
    run("ip", "route", "show", "dev", HOST.hostDevice).replaceAll(" linkdown", ""),
    // A table that was made again is the last.
    ...run("nft", "list", "ruleset")
      .split(/^(?=table)/m)
      .sort(),
    readSysctl(FORWARD),
  ].join("\n");
}

describe.runIf(process.getuid?.() === 0)("a cluster's part of the host's network", () => {
  let underlay: Underlay;
  let netnsPath: string;
  let routes: ReturnType<typeof startNodeRoutes>;

  beforeAll(async () => {
    underlay = await Underlay.create();
    netnsPath = join(underlay.root, "underlay");
    await createUnderlay({ ...HOST, netnsPath, hostAddress: SOURCE, gateway: GATEWAY });
    const podCidr = "10.244.3.0/24";
    await underlay.addNode({
      name: "second",
      netns: "",
      dir: "",
      subnetFile: "",
      address: SECOND,
      podCidr,
    });
    const keep = egressRepair({ ...HOST, netnsPath });
    expect([await keep(), await keep(), await keep()]).toEqual([true, false, false]);
    routes = startNodeRoutes({
      client: await underlay.client("admin", ["system:masters"]),
      device: HOST.hostDevice,
      source: SOURCE,
      keep,
      guard: (ranges) => guardPodSources(netnsPath, RANGES.podCidr, ranges),
      clock: hasty,
      scope: { ...RANGES, shared: [RANGES.serviceCidr], gateway: GATEWAY },
    });
    await waitFor("the routes", () => /10\.244\.3\.0\/24 via/.test(state()), patience);
  });

  afterAll(async () => {
    await routes.close();
    await deleteUnderlay({ ...HOST, netnsPath });
    await underlay.close();
  });

  test.each([
    ["a route to Services", () => execFileSync("ip", ["route", "del", RANGES.serviceCidr])],
    ["a route to a node's pods", () => execFileSync("ip", ["route", "del", "10.244.3.0/24"])],
    ["all rules", () => execFileSync("nft", ["flush", "ruleset"])],
    ["the rule alone", () => execFileSync("nft", ["flush", "chain", "ip", "r2k-kept", "egress"])],
    ["forwarding", () => writeSysctl(FORWARD, 0)],
  ])("%s that another program takes away comes back", async (_what, damage) => {
    const before = state();
    damage();
    expect(state()).not.toBe(before);
    await waitFor("the repair", () => state() === before, patience);
  });

  test("ports of nodes take the sources of their own pods alone", async () => {
    const rules = async () => JSON.stringify(await listRuleset(["ruleset"], { netns: netnsPath }));
    await waitFor("the sources", async () => (await rules()).includes("10.244.3.0"), patience);
  });

  test("pods' connections to the outside have no ports of the host's and the nodes' own", () => {
    const ports = [...state().matchAll(/saddr (\S+) oifname .* masquerade to :(\S+)/g)];
    expect(ports.map(([, from, to]) => [from, to])).toEqual([
      [RANGES.podCidr, "1024-32767"],
      [RANGES.nodeRange, "32768-65535"],
    ]);
  });

  test("pods of all nodes together have a part of the host's connections", () => {
    const counted =
      /numgen random mod 16 0 add @counted \{ ip saddr & 0\.0\.0\.0 ct count over \d+/;
    expect(state()).toMatch(counted);
  });

  test("a link that another program renames is reported once until it is back", async () => {
    const before = state();
    const lines: string[] = [];
    configureLog({ level: "warn", stream: { write: (line) => void lines.push(line) } });
    const rename = (from: string, to: string) => {
      const words = [["down"], ["name", to]].map((change) => ["link", "set", from, ...change]);
      for (const change of [...words, ["link", "set", to, "up"]]) execFileSync("ip", change);
    };
    rename(HOST.hostDevice, "r2k-renamed");
    try {
      const then = retries;
      await waitFor("attempts", () => retries > then + 5, patience);
    } finally {
      rename("r2k-renamed", HOST.hostDevice);
      configureLog({});
    }
    await waitFor("the repair", () => state() === before, patience);
    const failures = lines
      .filter((line) => line.includes("trying again"))
      .map((line) => (JSON.parse(line) as { error: string }).error);
    expect(failures).not.toEqual([]);
    expect(failures).toEqual([...new Set(failures)]);
  });

  test.each([
    ["no link", { hostDevice: "r2k-absent" }],
    ["another cluster's link", { netnsPath: "/run/another/underlay" }],
  ])("a host with %s gets no rule", async (_which, differing) => {
    const before = state();
    const keep = egressRepair({ ...HOST, netnsPath, name: "absent", ...differing });
    expect(await keep()).toBe(false);
    expect(state()).toBe(before);
  });
});
