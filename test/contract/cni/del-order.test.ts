import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { inProcessInvoke } from "@raft2kube/cni/lib/in-process.ts";
import { hostLocal } from "@raft2kube/cni/plugins/host-local/host-local.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bench } from "./bench.ts";

const built = mkdtempSync(join(tmpdir(), "r2k-cni-bin-"));
let bench: Bench;
/** Links of containers that there were when an address was released. */
const left: string[][] = [];

beforeAll(async () => {
  await buildPlugins(built);
  const del: typeof hostLocal.del = async (call) => {
    left.push(bench.hostEnds());
    await hostLocal.del(call);
  };
  const plugins = new Map([...PLUGINS, [hostLocal.name, { ...hostLocal, del }]]);
  const notExec = () => Promise.reject(new Error("our own build was exec'd"));
  bench = new Bench({
    pluginDir: () => built, newest: "1.1.0", ours: true, checksPorts: true,
    invoke: inProcessInvoke({ plugins, exec: notExec }),
  });
});
afterAll(async () => {
  await bench.clean();
  bench.close();
  rmSync(built, { recursive: true });
});

test.each(["bridge", "ptp"])("%s releases an address once its container is gone", async (type) => {
  const list = bench.listOf([{ type, ipam: bench.hostLocal() }]);
  const { attachment } = await bench.attach(list);
  await bench.cni.delNetworkList(list, attachment);
  // ADD fails at a route whose gateway is nowhere.
  const routes = [{ dst: "10.200.0.0/16", gw: "10.99.99.99" }];
  const broken = bench.listOf([{ type, ipam: bench.hostLocal({ routes }) }]);
  await expect(bench.attach(broken)).rejects.toThrow(/10\.200\.0\.0/);
  expect(left.splice(0)).toEqual([[], [], []]);
});
