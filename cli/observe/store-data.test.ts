import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { type ClusterConfig, planCluster } from "../spec/config.ts";
import { nodePaths } from "../spec/paths.ts";
import { storeDir } from "../spec/store.ts";
import { checkStoreData } from "./store-data.ts";

let dir: string;
let config: ClusterConfig;
beforeEach(async () => {
  dir = testFolder("r2k-store-");
  config = await planCluster("lost", { data: join(dir, "data"), run: join(dir, "run") }, {}, []);
});

it("a first start, and one that ended before there was a store, begin with none", () => {
  expect(() => checkStoreData(config, false)).not.toThrow();
  mkdirSync(join(storeDir(config), "member", "wal"), { recursive: true });
  expect(() => checkStoreData(config, false)).not.toThrow();
});

it("a cluster that has run does not, unless that is asked for", () => {
  mkdirSync(nodePaths(config).kubeletRoot, { recursive: true });
  const lost = /lost\/store\/member has no data, but this cluster has run: .*kubelet is of 20/;
  expect(() => checkStoreData(config, false)).toThrow(lost);
  mkdirSync(join(storeDir(config), "member", "wal"), { recursive: true });
  expect(() => checkStoreData(config, false)).toThrow(lost);
  expect(() => checkStoreData(config, true)).not.toThrow();
  expect(() => checkStoreData({ ...config, etcdServers: "http://e:2379" }, false)).not.toThrow();
});

it("data that is there goes on, and is not given up by the flag", () => {
  mkdirSync(nodePaths(config).kubeletRoot, { recursive: true });
  const wal = join(storeDir(config), "member", "wal");
  mkdirSync(wal, { recursive: true });
  writeFileSync(join(wal, "0.wal"), "");
  expect(() => checkStoreData(config, false)).not.toThrow();
  expect(() => checkStoreData(config, true)).toThrow(/--new-store: .*member has data/);
});

it("a member that has lost its data does not begin again beside the others", () => {
  const three: ClusterConfig = { ...config, storeMembers: 3 };
  const wal = (member: string) => join(storeDir(three, member), "member", "wal");
  for (const member of ["store-1", "store-3"]) {
    mkdirSync(wal(member), { recursive: true });
    writeFileSync(join(wal(member), "0.wal"), "");
  }
  // A first start that was ended before all members had written.
  expect(() => checkStoreData(three, false)).not.toThrow();
  mkdirSync(nodePaths(three).kubeletRoot, { recursive: true });
  expect(() => checkStoreData(three, false)).toThrow(/store-2\/member: no data, but the other/);
  mkdirSync(wal("store-2"), { recursive: true });
  writeFileSync(join(wal("store-2"), "0.wal"), "");
  expect(() => checkStoreData(three, false)).not.toThrow();
});
