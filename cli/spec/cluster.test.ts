import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { HOSTPATH_DRIVER_NAME } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { SOCKET_PATH_BYTES_MAX } from "@raft2kube/rpc/limits.ts";
import { beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { readManifests } from "../apply/add-ons.ts";
import { installPlugins, relocate, removePlugins } from "../apply/plugins.ts";
import { mergeConfigs, unmergeConfigs } from "../pki/merge-kubeconfig.ts";
import {
  CLUSTERS_MAX,
  type ClusterRoots,
  checkClusterName,
  clusterRoots,
  firstNodeName,
  listClusters,
  planCluster,
  readCluster,
  writeCluster,
} from "./config.ts";
import { joiningNodePlace } from "./nodes.ts";
import { nodePaths } from "./paths.ts";

let dir: string;
let roots: ClusterRoots;
beforeEach(() => {
  dir = testFolder("r2k-cli-");
  roots = { data: join(dir, "data"), run: join(dir, "run") };
});

describe("a cluster's configuration", () => {
  it("gives clusters side by side different addresses, and reuses a gone one's", async () => {
    const first = await planCluster("one", roots, {}, []);
    await writeCluster(first);
    const second = await planCluster("two", roots, {}, []);
    await writeCluster(second);
    for (const key of ["podCidr", "serviceCidr", "hostAddress", "apiPort"] as const) {
      expect(second[key], key).not.toBe(first[key]);
    }
    rmSync(first.dataDir, { recursive: true });
    expect((await planCluster("three", roots, {}, [])).slot).toBe(first.slot);
    const elsewhere = [first.hostAddress];
    expect((await planCluster("three", roots, {}, elsewhere)).slot).toBe(second.slot + 1);
    expect((await listClusters(roots)).map((config) => config.name)).toEqual(["two"]);
  });

  it("refuses one more than fits, a newer format, and a bad name, saying what to do", async () => {
    for (let i = 0; i < CLUSTERS_MAX; i++) {
      await writeCluster(await planCluster(`c${i}`, roots, {}, []));
    }
    await expect(planCluster("more", roots, {}, [])).rejects.toMatchObject({ code: "NO_SLOT" });
    const newer = join(roots.data, "newer");
    mkdirSync(newer);
    writeFileSync(join(newer, "cluster.json"), JSON.stringify({ formatVersion: 9 }));
    await expect(readCluster("newer", roots)).rejects.toThrow(/format 9, this r2k reads 1/);
    for (const name of ["", "Upper", "-x", "x-", "way-too-long-name", "a/b", "a.b"]) {
      expect(() => checkClusterName(name), name).toThrow(/not usable/);
    }
  });

  it("has room for its longest socket under a name of 16 characters", async () => {
    const config = await planCluster("sixteen-letters1", clusterRoots({}), {}, []);
    expect(checkClusterName(config.name)).toBe(config.name);
    const { kubeletRoot } = nodePaths(joiningNodePlace(config, "fifteen-letters"));
    const socket = join(kubeletRoot, "plugins_registry", `${HOSTPATH_DRIVER_NAME}-reg.sock`);
    expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(SOCKET_PATH_BYTES_MAX);
  });

  it("has a node's name that is a label's value, also where the host's name is cut", () => {
    expect(firstNodeName("one", "Host")).toBe("one-host");
    const cut = firstNodeName("one", `${"a".repeat(58)}.example`);
    expect(cut).toBe(`one-${"a".repeat(58)}`);
  });
});

describe("manifests", () => {
  it("are filled with the cluster's values, and refused by name when they are broken", async () => {
    const config = await planCluster("m", roots);
    const text = "apiVersion: v1\nkind: Service\nmetadata: { name: x, at: '${dnsAddress}' }\n";
    expect(readManifests(text, "x.yaml", config)[0]?.metadata).toEqual({
      name: "x",
      at: config.dnsAddress,
    });
    expect(() => readManifests("a: [", "broken.yaml", config)).toThrow(/broken\.yaml/);
    expect(() => readManifests("kind: Pod\n", "empty.yaml", config)).toThrow(/no apiVersion/);
  });
});

describe("a kubeconfig that is merged", () => {
  it("keeps others' entries and replaces its own", () => {
    const entry = (name: string, mark: string) => ({ name, mark });
    const lists = (items: { name: string }[]) => ({
      clusters: items,
      users: items,
      contexts: items,
    });
    const base = lists([entry("work", "theirs"), entry("default", "old")]);
    const added = { ...lists([entry("default", "new")]), "current-context": "default" };
    const merged = mergeConfigs(base, added as never) as unknown as typeof added;
    expect(merged.clusters).toEqual([entry("work", "theirs"), entry("default", "new")]);
    expect(merged["current-context"]).toBe("default");
  });

  it("is taken out of another again: its own entries, and no other's of its name", () => {
    const entry = (name: string, server: string) => ({ name, value: { server } });
    const lists = (...of: { name: string }[]) => ({ clusters: of, users: of, contexts: of });
    const [theirs, own] = [entry("work", "theirs"), entry("default", "own")];
    const merged = { ...lists(theirs, own), "current-context": "default", preferences: {} };
    const left = unmergeConfigs(merged as never, lists(own));
    expect(left).toEqual({ ...lists(theirs), preferences: {} });
    const elsewhere = { ...merged, "current-context": "work" };
    expect(unmergeConfigs(elsewhere as never, lists(own))).toMatchObject({
      "current-context": "work",
    });
    expect(unmergeConfigs(lists(theirs, entry("default", "newer")), lists(own))).toBeUndefined();
  });
});

describe("a plugin that is installed", () => {
  it("gets the paths of this installation", () => {
    const built = '#!/old/node\n// mark\nvar k = require("/old/node_modules/koffi/index.cjs");\n';
    const moved = relocate(built, "/new/node", "/new/koffi/index.cjs");
    expect(moved).toBe('#!/new/node\n// mark\nvar k = require("/new/koffi/index.cjs");\n');
    expect(() => relocate("no interpreter", "/n", "/k")).toThrow(/no interpreter line/);
  });

  it("is each that was built, and nothing that lies beside them", async () => {
    const built = await buildPlugins(join(dir, "built"));
    await installPlugins(join(dir, "installed"), join(dir, "built"));
    const installed = readdirSync(join(dir, "installed")).map((name) => join(dir, "built", name));
    expect(installed.sort()).toEqual(built.sort());
    const [own, shared] = [join(dir, "installed"), join(dir, "shared")];
    mkdirSync(shared);
    writeFileSync(join(shared, "bridge"), "of another");
    await expect(installPlugins(shared, join(dir, "built"))).rejects.toThrow(/names bridge/);
    expect(readdirSync(shared)).toEqual(["bridge"]);
    writeFileSync(join(own, "sbr"), "of another");
    await installPlugins(own, join(dir, "built"));
    await removePlugins(own);
    expect(readdirSync(own)).toEqual(["sbr"]);
  });
});
