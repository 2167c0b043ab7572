import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { inProcessInvoke } from "@raft2kube/cni/lib/in-process.ts";
import type { CniPlugin } from "@raft2kube/cni/lib/skel.ts";
import type { Invoke } from "@raft2kube/cni/lib/types.ts";
import { spoofChecks } from "@raft2kube/cni/plugins/bridge/spoof-check.ts";
import { hostLocal } from "@raft2kube/cni/plugins/host-local/host-local.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { Bench } from "./bench.ts";

const built = suiteFolder("r2k-cni-bin-");
let bench: Bench;
/** Links of containers that there were when an address was released. */
const left: string[][] = [];
/** Calls of host-local that a test replaces. */
let faults: Partial<CniPlugin> = {};
let invoke: Invoke;

beforeAll(async () => {
  await buildPlugins(built);
  const del: typeof hostLocal.del = async (call) => {
    left.push(bench.hostEnds());
    await (faults.del ?? hostLocal.del)(call);
  };
  const add: typeof hostLocal.add = (call) => (faults.add ?? hostLocal.add)(call);
  const plugins = new Map([...PLUGINS, [hostLocal.name, { ...hostLocal, add, del }]]);
  const notExec = () => Promise.reject(new Error("our own build was exec'd"));
  invoke = inProcessInvoke({ plugins, exec: notExec });
  bench = new Bench({
    pluginDir: () => built,
    newest: "1.1.0",
    ours: true,
    checksPorts: true,
    invoke,
  });
});
afterAll(async () => {
  await bench.clean();
  bench.close();
});

afterEach(() => {
  faults = {};
});

/** ADD fails at a route whose gateway is nowhere. */
const BROKEN = { routes: [{ dst: "10.200.0.0/16", gw: "10.99.99.99" }] };
const TYPES = ["bridge", "ptp"];

test.each(TYPES)("%s releases an address once its container is gone", async (type) => {
  const list = bench.listOf([{ type, ipam: bench.hostLocal() }]);
  const { attachment } = await bench.attach(list);
  await bench.cni.delNetworkList(list, attachment);
  const broken = bench.listOf([{ type, ipam: bench.hostLocal(BROKEN) }]);
  await expect(bench.attach(broken)).rejects.toThrow(/10\.200\.0\.0/);
  expect(left.splice(0)).toEqual([[], [], []]);
});

const EVERYTHING = { isGateway: true, ipspoofchk: true, ipMasq: true };

/** Calls a plugin as a runtime does that undoes nothing itself. */
function call(command: "ADD" | "DEL", config: object, netns = bench.net.container()) {
  const { type, ...rest } = config as { type: string };
  const at = { containerId: netns.split("/").at(-1)!, netns, ifName: "eth0", args: "" };
  const named = { type, name: "testnet", cniVersion: "1.0.0", ...rest };
  const request = { command, ...at, path: [built], config: named };
  return { at: { ...at, network: named.name }, done: invoke(join(built, type), request) };
}

const nothing = { addresses: [], links: [] };
const leftovers = () => ({ addresses: bench.givenOut(), links: bench.hostEnds() });

test.each(TYPES)("%s calls IPAM's DEL also after an ADD that fails in IPAM", async (type) => {
  faults.add = async (request) => {
    await hostLocal.add(request);
    throw new CniError("io-failure", "the disk is full");
  };
  await expect(call("ADD", { type, ipam: bench.hostLocal() }).done).rejects.toThrow("disk is full");
  expect(leftovers()).toEqual(nothing);
});

test.each(TYPES)("%s rejects with the error of ADD, not that of its undo", async (type) => {
  faults.del = () => Promise.reject(new CniError("io-failure", "the disk is full"));
  const config = { type, ipam: bench.hostLocal(BROKEN) };
  const { at, done } = call("ADD", config);
  await expect(done).rejects.toThrow(/10\.200\.0\.0/);
  expect(bench.hostEnds()).toEqual([]);
  faults = {};
  await call("DEL", config, at.netns).done;
  expect(leftovers()).toEqual(nothing);
});

test("bridge takes the spoof check of a failed ADD away", async () => {
  const broken = { type: "bridge", ...EVERYTHING, ipam: bench.hostLocal(BROKEN) };
  const { at, done } = call("ADD", broken);
  await expect(done).rejects.toThrow(/10\.200\.0\.0/);
  expect(await spoofChecks.has(at)).toBe(false);
  expect(leftovers()).toEqual(nothing);
});

test.each(TYPES)("%s goes on with DEL when its rules cannot be deleted", async (type) => {
  const config = { type, ...(type === "bridge" ? EVERYTHING : { ipMasq: true }) };
  const network = { ...config, ipam: bench.hostLocal() };
  const { at, done } = call("ADD", network);
  await done;
  const { PATH } = process.env;
  process.env.PATH = "/nowhere"; // there is no nft
  try {
    await expect(call("DEL", network, at.netns).done).rejects.toThrow(/nft/);
  } finally {
    process.env.PATH = PATH;
  }
  expect(leftovers()).toEqual(nothing);
  await call("DEL", network, at.netns).done;
  expect(await spoofChecks.has(at)).toBe(false);
});

test.each(TYPES)("%s keeps the address while its pair cannot be deleted", async (type) => {
  const network = { type, ipam: bench.hostLocal() };
  const { at, done } = call("ADD", network);
  await done;
  const broken = call("DEL", network, `${at.netns}/none`);
  await expect(broken.done).rejects.toThrow(/ENOTDIR/);
  expect(bench.givenOut()).toHaveLength(1);
  await call("DEL", network, at.netns).done;
  expect(leftovers()).toEqual(nothing);
});
