import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import type { CniResult, Invoke } from "@raft2kube/cni/lib/types.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { firstDifference } from "../must.ts";
import { cacheFolder } from "../runner/workspace.ts";
import {
  DEBIAN,
  type Host,
  type NetworkChanges,
  ownInvoke,
  unlessInstalled,
  withHost,
} from "./host.ts";
import { leftovers, stateOf } from "./kernel.ts";
import { buildOwnPlugins } from "./own-plugins.ts";

const CALL_MS_MAX = 20_000;

const FOUR = { subnet: "10.88.0.0/24", rangeStart: "10.88.0.9", rangeEnd: "10.88.0.12" };

/** Configurations that both must treat alike. */
const NETWORKS: readonly (readonly [string, NetworkChanges])[] = [
  ["a gateway", {}],
  ["no gateway: layer 2 with addresses", { bridge: { isGateway: false }, ipam: { routes: [] } }],
  ["a default gateway", { bridge: { isDefaultGateway: true, mtu: 1400 }, ipam: { routes: [] } }],
  ["a range of four", { ipam: { ranges: [[{ ...FOUR }]] } }],
];

/** Returns the effects of a network's ADDs and DELs: results, the kernel's state, what is left. */
async function observe(host: Host, changes: NetworkChanges): Promise<Record<string, unknown>> {
  const config = host.config(changes);
  const [one, two] = [host.container(), host.container()];
  const results = [await host.call("ADD", one, config), await host.call("ADD", two, config)];
  const state = stateOf(one.netns, "cni0");
  for (const container of [one, two]) await host.call("DEL", container, config);
  return { results: results.map(comparable), state, left: leftovers(host) };
}

/** A result without its random parts. */
function comparable({ interfaces = [], ips, routes, dns }: CniResult) {
  const links = interfaces.map(({ name, sandbox }) => {
    return `${name.replace(/^veth.*/, "veth...")}${sandbox ? " in the container" : ""}`;
  });
  return { links, ips, routes, dns };
}

async function observeAll(invoke: Invoke, pluginDir?: string): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const [name, changes] of NETWORKS) {
    const note = async (host: Host) => void (seen[name] = await observe(host, changes));
    await withHost(note, invoke, pluginDir);
  }
  return seen;
}

check(
  "beside containernetworking's bridge: the same results, the same state",
  async () => {
    const own = await observeAll(ownInvoke);
    const theirs = await observeAll(execInvoke(CALL_MS_MAX), DEBIAN);
    const [place = "", happened = "", expected = ""] = firstDifference(own, theirs) ?? [];
    judge(place === "", {
      when: `two containers on a network with ${place}`,
      expected: `${expected}, as by containernetworking's plugin`,
      happened,
      why: "a node's plugin can be replaced by another vendor's, with the same configuration",
    });
  },
  { leftOut: unlessInstalled("bridge") },
);

check("as an executable: environment and stdin in, one JSON object out", async () => {
  const folder = mkdtempSync(join(cacheFolder(), "labs-cni-"));
  try {
    await buildOwnPlugins(folder);
    await withHost(
      async (host) => {
        const container = host.container();
        const result = await host.call("ADD", container);
        judge(result.ips?.[0]?.address === "10.88.0.2/24", {
          when: "the file bridge is executed with CNI_COMMAND=ADD, as containerd does",
          expected: "exit status 0, and a result with 10.88.0.2/24",
          happened: JSON.stringify(result),
          why: "any runtime can call your plugin: this is the whole interface",
        });
        await host.call("DEL", container);
      },
      execInvoke(CALL_MS_MAX),
      folder,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
