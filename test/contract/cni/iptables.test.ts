import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { inProcessInvoke } from "@raft2kube/cni/lib/in-process.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { ADDRESSES, ask } from "../../../testing/network/host-network.ts";
import { Bench, type Implementation } from "./bench.ts";
import { portsContract } from "./ports.ts";
import { privilegedPortContract } from "./privileged-port.ts";

const pluginDir = mkdtempSync(join(tmpdir(), "r2k-cni-names-"));
await buildPlugins(pluginDir);

const notExec = () => Promise.reject(new Error("our own build was exec'd"));
const OURS: Implementation = {
  pluginDir: () => pluginDir,
  invoke: inProcessInvoke({ plugins: PLUGINS, exec: notExec }),
  newest: "1.1.0",
  ours: true,
  checksPorts: true,
  rules: { bridge: { ipMasqBackend: "iptables" }, portmap: { backend: "iptables" } },
};

describe("ours, with rules of iptables", () => {
  const bench = new Bench(OURS);
  afterEach(() => bench.clean());
  afterAll(() => {
    bench.close();
    rmSync(pluginDir, { recursive: true });
  });

  /** The rules of our chains with a comment, of which each has an owner. */
  function owned(): string[] {
    const saved = inNetns(bench.net.host, () => {
      return execFileSync("iptables-nft-save", ["-t", "nat"], { encoding: "utf8" });
    });
    return saved.split("\n").filter((line) => line.includes("--comment"));
  }

  privilegedPortContract(() => bench);
  describe("port mappings", () => portsContract(() => bench, OURS));

  const ports = [{ hostPort: 8085, containerPort: 80, protocol: "tcp" as const }];

  test("a port that another container has is refused, and the other keeps it", async () => {
    const list = bench.conflist();
    const one = await bench.attach(list, { ports });
    await bench.serve(one.netns, 80);
    await expect(bench.attach(list, { ports })).rejects.toThrow(/8085 is already mapped to/);
    expect(await ask(bench.net.outside, ADDRESSES.host, 8085)).toBeTruthy();
    await bench.cni.checkNetworkList(list, one.attachment);
  });

  test("CHECK misses a mapping that was deleted by hand, DEL leaves no rule", async () => {
    const list = bench.conflist({ bridge: { ipMasq: true } });
    const one = await bench.attach(list, { ports });
    expect(owned()).toHaveLength(7);
    await bench.cni.checkNetworkList(list, one.attachment);
    inNetns(bench.net.host, () => {
      execFileSync("iptables-nft", ["-t", "nat", "-F", "CNI-HOSTPORT-DNAT"]);
    });
    await expect(bench.cni.checkNetworkList(list, one.attachment)).rejects.toThrow(/is gone/);
    await bench.cni.delNetworkList(list, one.attachment);
    expect(owned()).toEqual([]);
  });

  test("GC deletes the rules of what is not valid, and no others", async () => {
    const list = bench.conflist({ bridge: { ipMasq: true } });
    const one = await bench.attach(list, { ports });
    const two = await bench.attach(list, {
      ports: [{ hostPort: 8086, containerPort: 80, protocol: "tcp" }],
    });
    await bench.serve(two.netns, 80);
    const { containerId, ifName } = two.attachment;
    await bench.cni.gcNetworkList(list, [{ containerID: containerId, ifname: ifName }]);
    expect(owned()).toHaveLength(7);
    expect(await ask(bench.net.outside, ADDRESSES.host, 8085)).toBeUndefined();
    expect(await ask(bench.net.outside, ADDRESSES.host, 8086)).toBeTruthy();
    await bench.cni.delNetworkList(list, one.attachment);
  });

  test("ipMasq hides the container behind the host, but not from its own network", async () => {
    const list = bench.conflist({ bridge: { ipMasq: true } });
    const [one, two] = [await bench.attach(list), await bench.attach(list)];
    await bench.serve(bench.net.outside, 80);
    await bench.serve(two.netns, 80);
    expect(await ask(one.netns, ADDRESSES.outside, 80)).toBe(ADDRESSES.host);
    expect(await ask(one.netns, two.address, 80)).toBe(one.address);
    await bench.cni.checkNetworkList(list, one.attachment);
  });
});
