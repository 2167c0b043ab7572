import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { bandwidthOf, PodNetwork } from "./network.ts";

const INGRESS = "kubernetes.io/ingress-bandwidth";
const EGRESS = "kubernetes.io/egress-bandwidth";

describe("a pod's bounds of traffic", () => {
  test.each([
    ["none", {}, undefined],
    ["one direction", { [INGRESS]: "100M" }, { ingressRate: 1e8, ingressBurst: 1e7 }],
    [
      "a small rate has a burst of a few packets",
      { [EGRESS]: "1k" },
      { egressRate: 1_000, egressBurst: 1_048_576 },
    ],
    [
      "a great rate's burst fits a bucket",
      { [EGRESS]: "1P" },
      { egressRate: 1e15, egressBurst: 2_147_483_647 },
    ],
    [
      "both",
      { [INGRESS]: "20M", [EGRESS]: "1Gi" },
      { ingressRate: 2e7, ingressBurst: 2e6, egressRate: 2 ** 30, egressBurst: 107_374_182 },
    ],
  ])("%s", (_what, annotations, expected) => {
    expect(bandwidthOf(annotations)).toEqual(expected);
  });

  test.each([["fast"], ["999"], ["2P"], ["-1M"], [""]])("%j is refused by name", (text) => {
    expect(() => bandwidthOf({ [EGRESS]: text })).toThrow(/egress-bandwidth/);
  });
});

describe("whether pods can get a network", () => {
  const dir = suiteFolder("r2k-pod-network-");
  const [confDir, binDir, status] = ["net.d", "bin", "status"].map((name) => join(dir, name));

  test("not, with the reason, until there is a configuration whose plugins are ready", async () => {
    for (const folder of [confDir!, binDir!]) mkdirSync(folder);
    const network = new PodNetwork({
      confDir: confDir!,
      binDirs: [binDir!],
      cacheDir: join(dir, "cache"),
    });
    const refused = (message: RegExp) => ({
      ready: false,
      reason: "NetworkPluginNotReady",
      message: expect.stringMatching(message),
    });
    expect(await network.condition()).toEqual(refused(/no configuration in .*net\.d$/));
    const file = join(confDir!, "10-net.conflist");
    const list = { cniVersion: "1.1.0", name: "net", plugins: [{ type: "some" }] };
    writeFileSync(file, JSON.stringify(list));
    expect(await network.condition()).toEqual(refused(/there is no plugin some/));
    const versions = '{"cniVersion":"1.1.0","supportedVersions":["1.1.0"]}';
    writeFileSync(
      join(binDir!, "some"),
      `#!/bin/sh
[ "$CNI_COMMAND" = VERSION ] && echo '${versions}' && exit
[ -e ${status} ] || { echo '{"cniVersion":"1.1.0","code":50,"msg":"no overlay yet"}'; exit 1; }
`,
    );
    chmodSync(join(binDir!, "some"), 0o755);
    expect(await network.condition()).toEqual(refused(/no overlay yet/));
    writeFileSync(status!, "");
    expect(await network.condition()).toEqual({ ready: true, reason: "", message: "" });
    rmSync(file);
    expect(await network.condition()).toEqual(refused(/no configuration in/));
  });
});

test("a sandbox whose attachment a kill cut short is detached from its network", async () => {
  const commands: string[] = [];
  const list = { cniVersion: "1.1.0", name: "net", plugins: [{ type: "some" }] } as const;
  const binDir = mkdtempSync(join(tmpdir(), "r2k-pod-network-"));
  writeFileSync(join(binDir, "some"), "", { mode: 0o755 });
  const network = new PodNetwork({
    confDir: "",
    binDirs: [binDir],
    cacheDir: binDir,
    invoke: async (_file, { command, containerId }) => {
      commands.push(`${command} ${containerId}`);
      return { cniVersion: "1.1.0", supportedVersions: ["1.1.0"] };
    },
    networkOf: () => parseConflist(JSON.stringify(list), "net"),
  });
  const config = PodSandboxConfig.decode(PodSandboxConfig.encode({}));
  const rest = { config, runtimeHandler: "", createdAt_ms: 0, ips: [], cgroup: "" };
  await network.detach({ ...rest, id: "killed", state: "notready", netns: "/gone" });
  rmSync(binDir, { recursive: true });
  expect(commands).toContain("DEL killed");
});
