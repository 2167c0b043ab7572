import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { type ClusterConfig, planCluster, writeCluster } from "./config.ts";
import {
  checkNodeName,
  joiningNodeNames,
  NODES_MAX,
  planJoiningNode,
  readJoiningNodes,
  setStopped,
  wantedNodes,
} from "./nodes.ts";
import { nodeCgroup } from "./paths.ts";
import { podUsersOf } from "./pod-users.ts";

let dir: string;
let cluster: ClusterConfig;

beforeEach(async () => {
  dir = testFolder("r2k-nodes-");
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  cluster = await planCluster("one", roots, { etcdServers: "http://127.0.0.1:2379" }, []);
});

test("a node shares no folder, group and address with others, and knows no store", () => {
  const second = planJoiningNode(cluster, "second", []);
  const third = planJoiningNode(cluster, "third", [second]);
  const own = (node: ClusterConfig) => [
    node.nodeName,
    node.dataDir,
    node.runDir,
    node.nodeAddress,
    nodeCgroup(node),
  ];
  const all = [cluster, second, third].flatMap(own);
  expect(new Set(all).size).toBe(all.length);
  expect([second, third].map((node) => node.nodeAddress)).toEqual(["10.200.0.3", "10.200.0.4"]);
  expect(second).not.toHaveProperty("etcdServers");
  expect(second).toMatchObject({ podCidr: cluster.podCidr, apiPort: cluster.apiPort });
});

test("a node keeps its address while the cluster's configuration changes", async () => {
  const second = planJoiningNode(cluster, "second", []);
  await writeCluster(planJoiningNode(cluster, "third", [second]));
  const nodes = await readJoiningNodes(cluster);
  const third = planJoiningNode({ ...cluster, apiPort: 7443 }, "third", nodes);
  expect(third).toMatchObject({ nodeAddress: "10.200.0.4", apiPort: 7443 });
  expect(planJoiningNode(cluster, "fourth", nodes).nodeAddress).toBe("10.200.0.3");
});

test("a start brings up nodes that were not stopped, and new ones up to the count", async () => {
  await writeCluster(planJoiningNode(cluster, "node-2", []));
  await writeCluster(planJoiningNode(cluster, "other", await readJoiningNodes(cluster)));
  const names = async (count: number) =>
    (await wantedNodes(cluster, count)).map((node) => node.nodeName);
  expect(await names(1)).toEqual(["node-2", "other"]);
  expect(await names(5)).toEqual(["node-2", "other", "node-3", "node-4"]);
  const [second] = await readJoiningNodes(cluster);
  await setStopped(second!, true);
  expect(await names(4)).toEqual(["other", "node-3"]);
  expect(joiningNodeNames(cluster)).toEqual(["node-2", "other"]);
});

test("addresses run out with a named error", async () => {
  const nodes: ClusterConfig[] = [];
  for (let number = 2; number <= NODES_MAX; number++) {
    nodes.push(planJoiningNode(cluster, `n${number}`, nodes));
  }
  expect(new Set(nodes.map((node) => node.nodeAddress)).size).toBe(NODES_MAX - 1);
  expect(() => planJoiningNode(cluster, "more", nodes)).toThrow(/has 100 nodes/);
});

test("the pods of two nodes have no users in common", () => {
  const users = Array.from({ length: NODES_MAX }, (_, number) => {
    return podUsersOf({ slot: 15, nodeAddress: `10.200.15.${number + 2}` });
  }).sort((a, b) => a.first - b.first);
  const ends = users.map(({ first, pods }) => first + pods * 65_536);
  expect(users.slice(1).every(({ first }, index) => first >= ends[index]!)).toBe(true);
  expect(users[0]!.first).toBeGreaterThanOrEqual(65_536);
  expect(ends.at(-1)).toBeLessThan(2 ** 32);
});

test("a node's name is that of a link and of a Node, and no other's", () => {
  for (const name of ["a", "node-2", "a23456789012345"]) {
    expect(checkNodeName(name, cluster)).toBe(name);
  }
  const unusable = ["", "A", "2", "a-", "a_b", "../a", "a234567890123456"];
  for (const name of [...unusable, "host", "first", "br0", "all", "default", "node"]) {
    expect(() => checkNodeName(name, cluster), name).toThrow(/not usable/);
  }
});

test("the NFS server is a node of its own, also one that was stopped", async () => {
  const server = { memory_MiB: 1024, disk_GiB: 8, proxyMode: "ipvs", nfsExport_MiB: 64 } as const;
  const [nfs] = await wantedNodes(cluster, 1, server);
  expect(nfs).toMatchObject({ nodeName: "nfs", guest: server });
  mkdirSync(nfs!.dataDir, { recursive: true });
  await writeCluster(nfs!);
  await setStopped(nfs!, true);
  expect(await wantedNodes(cluster, 1)).toEqual([]);
  expect(await wantedNodes(cluster, 1, server)).toEqual([nfs]);
  await writeCluster(planJoiningNode(cluster, "nfs", []));
  await expect(wantedNodes(cluster, 1, server)).rejects.toMatchObject({ code: "NODE_EXISTS" });
});
