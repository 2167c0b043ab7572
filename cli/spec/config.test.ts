import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import {
  type ClusterRoots,
  configPath,
  listClusters,
  planCluster,
  readCluster,
  writeCluster,
} from "./config.ts";

let dir: string;
let roots: ClusterRoots;
beforeEach(() => {
  dir = testFolder("r2k-config-");
  roots = { data: join(dir, "data"), run: join(dir, "run") };
});

/** A cluster.json as the first release with this format wrote it. */
const FIRST = {
  formatVersion: 1,
  name: "hurt",
  slot: 0,
  nodeName: "hurt-host",
  dataDir: "/d",
  runDir: "/r",
  apiPort: 6443,
  hostAddress: "10.200.0.1",
  nodeAddress: "10.200.0.2",
  podCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
  apiServiceAddress: "10.96.0.1",
  dnsAddress: "10.96.0.10",
  clusterDomain: "cluster.local",
};

const BROKEN = [
  { what: "cut short", text: '{ "formatVersion": 1, "na', says: /is not JSON: / },
  { what: "empty", text: "", says: /is not JSON: / },
  { what: "null", text: "null", says: /has no usable formatVersion, name, / },
  { what: "lacking fields", text: '{ "formatVersion": 1 }', says: /has no usable name, nodeName/ },
  { what: "newer", text: '{ "formatVersion": 9 }', says: /has format 9, this r2k reads 1/ },
  {
    what: "a later release's",
    text: JSON.stringify({ ...FIRST, moons: 2 }),
    says: /has moons, which this r2k does not know/,
  },
];

it("a configuration of the format's first release is read as it is", async () => {
  mkdirSync(join(roots.data, "hurt"), { recursive: true });
  writeFileSync(configPath(join(roots.data, "hurt")), JSON.stringify(FIRST));
  expect(await readCluster("hurt", roots)).toEqual(FIRST);
});

it.each(BROKEN)("a configuration that is $what is refused by its file's name", async (broken) => {
  await writeCluster(await planCluster("hurt", roots, {}, []));
  const path = configPath(join(roots.data, "hurt"));
  writeFileSync(path, broken.text);
  const reading = readCluster("hurt", roots);
  await expect(reading).rejects.toThrow(broken.says);
  await expect(reading).rejects.toMatchObject({
    code: "UNUSABLE_CONFIG",
    message: expect.stringContaining(path),
    remedy: expect.stringContaining("r2k down --purge --name hurt"),
  });
});

it("a configuration that is missing beside a cluster's state is not a new cluster", async () => {
  const dataDir = join(roots.data, "hurt");
  mkdirSync(join(dataDir, "store"), { recursive: true });
  await expect(readCluster("hurt", roots)).rejects.toThrow(/is missing, but .* state: store/);
  mkdirSync(join(roots.data, "empty"));
  expect(await readCluster("empty", roots)).toBeUndefined();
});

it("a broken configuration does not affect the clusters beside it", async () => {
  await writeCluster(await planCluster("well", roots, {}, []));
  for (const [index, { text }] of BROKEN.entries()) {
    mkdirSync(join(roots.data, `hurt${index}`));
    writeFileSync(configPath(join(roots.data, `hurt${index}`)), text);
  }
  expect((await listClusters(roots)).map(({ name }) => name)).toEqual(["well"]);
  expect((await planCluster("next", roots, {}, [])).slot).toBe(1);
});
