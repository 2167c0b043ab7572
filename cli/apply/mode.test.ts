import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ProxyState } from "@raft2kube/proxy/main.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import {
  type ClusterConfig,
  configPath,
  planCluster,
  proxyModeOf,
  readConfigFile,
  writeCluster,
} from "../spec/config.ts";
import { planJoiningNode } from "../spec/nodes.ts";
import { changeNodeMode, type NodeActs } from "./mode.ts";

let dir: string;
let node: ClusterConfig;

beforeEach(async () => {
  dir = testFolder("r2k-mode-");
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  node = planJoiningNode(await planCluster("one", roots, {}, []), "node-2", []);
  mkdirSync(node.dataDir, { recursive: true });
  await writeCluster(node);
});

/**
 * A node's process, which reads its mode from the file when it is started, as the real one.
 * `failing` modes cannot be applied, `unstartable` ones end the process at its start.
 */
function machine(failing: ModeName[] = [], unstartable: ModeName[] = []) {
  const done: string[] = [];
  let running: ProxyState | undefined;
  const configured = async () => proxyModeOf(await readConfigFile(configPath(node.dataDir), "one"));
  const acts: NodeActs = {
    async endProcess() {
      done.push(`end, configured ${await configured()}`);
      running = undefined;
    },
    async ensureProcess() {
      if (running !== undefined) return;
      const mode = await configured();
      done.push(`start ${mode}`);
      if (unstartable.includes(mode)) throw new CodedError("PROCESS", `node: no ${mode}`);
      // The first answers are from before the first sync.
      running = { mode, isApplied: false, failures: 0 };
    },
    askProxy() {
      if (running === undefined) return Promise.reject(new CodedError("ECONNREFUSED", "none"));
      const { mode, failures } = running;
      const before = running;
      running = failing.includes(mode)
        ? { mode, isApplied: false, failures: failures + 1, error: `${mode}: refused` }
        : { mode, isApplied: true, failures: 0 };
      return Promise.resolve(before);
    },
    nodeReady() {
      done.push(`ready in ${running?.mode}, applied: ${running?.isApplied}`);
      return Promise.resolve();
    },
  };
  const start = () => acts.ensureProcess(node, "node", context());
  return { acts, done, configured, start, state: () => running };
}

/** Makes every write of the configuration fail from now on, as on a full disk. */
const refuseWrites = () => mkdirSync(join(node.dataDir, ".cluster.json.new"));

function context(signal = new AbortController().signal) {
  return { clock: systemClock(), signal, readyTimeout_ms: 0 };
}

test("a mode is written before the process ends, and its rules are waited for", async () => {
  const { acts, done, start, configured } = machine();
  await start();
  await changeNodeMode(node, "iptables", acts, context());
  expect(done).toEqual([
    "start nftables",
    "end, configured iptables",
    "start iptables",
    "ready in iptables, applied: true",
  ]);
  expect(await configured()).toBe("iptables");
});

test("a mode that cannot be applied is named with its error, the former comes back", async () => {
  const { acts, done, start, configured, state } = machine(["iptables"]);
  await start();
  const changing = changeNodeMode(node, "iptables", acts, context());
  await expect(changing).rejects.toMatchObject({
    code: "MODE",
    message:
      "node node-2 cannot serve Services by iptables: iptables: refused; " +
      "it does by nftables again",
    remedy: expect.stringContaining("r2k logs node --node node-2") as string,
  });
  expect(done.at(-1)).toBe("ready in nftables, applied: true");
  expect(await configured()).toBe("nftables");
  expect(state()).toMatchObject({ mode: "nftables", isApplied: true });
});

test("a process that does not start in a mode is started in the former again", async () => {
  const { acts, start, configured, state } = machine([], ["userspace"]);
  await start();
  const changing = changeNodeMode(node, "userspace", acts, context());
  await expect(changing).rejects.toMatchObject({ code: "MODE", message: /no userspace; it does/ });
  expect(await configured()).toBe("nftables");
  expect(state()).toMatchObject({ mode: "nftables", isApplied: true });
});

test("the same call continues when the process is missing, in whichever mode", async () => {
  const { acts, configured, state } = machine();
  await changeNodeMode(node, "iptables", acts, context());
  expect(state()).toMatchObject({ mode: "iptables", isApplied: true });
  await acts.endProcess(node, "node", systemClock());
  const half = { ...node, proxyMode: await configured() };
  await changeNodeMode(half, "iptables", acts, context());
  expect(state()).toMatchObject({ mode: "iptables", isApplied: true });
});

test("a process in the mode is waited for; in another than its file, restarted", async () => {
  const { acts, done, start, state } = machine();
  await start();
  const changed = { ...node, proxyMode: "iptables" } as const;
  await writeCluster(changed); // as a call that was killed immediately
  await changeNodeMode(changed, "iptables", acts, context());
  expect(state()).toMatchObject({ mode: "iptables", isApplied: true });
  const restarts = done.length;
  await changeNodeMode(changed, "iptables", acts, context());
  expect(done.slice(restarts)).toEqual(["ready in iptables, applied: true"]);
});

test("without a former mode the error names another, and nothing is restarted", async () => {
  const { acts, done, start } = machine(["nftables"]);
  await start();
  const waiting = changeNodeMode(node, "nftables", acts, context());
  await expect(waiting).rejects.toMatchObject({
    code: "MODE",
    message: /by nftables: .*refused$/,
    remedy: expect.stringContaining("another mode: r2k start --proxy-mode iptables") as string,
  });
  expect(done).toEqual(["start nftables"]);
});

test("Ctrl-C during a change puts the node back", async () => {
  const { acts, start, configured, state } = machine();
  await start();
  const interrupt = new AbortController();
  const ensureProcess: NodeActs["ensureProcess"] = (...args) => {
    interrupt.abort();
    return acts.ensureProcess(...args);
  };
  const changing = changeNodeMode(
    node,
    "iptables",
    { ...acts, ensureProcess },
    context(interrupt.signal),
  );
  await expect(changing).rejects.toMatchObject({ code: "MODE" });
  expect(await configured()).toBe("nftables");
  expect(state()).toMatchObject({ mode: "nftables", isApplied: true });
});

test("a node that cannot be put back is named with both errors", async () => {
  const { acts } = machine(["iptables"], ["nftables"]);
  const changing = changeNodeMode(node, "iptables", acts, context());
  await expect(changing).rejects.toMatchObject({
    code: "MODE",
    message: /by iptables: iptables: refused; nor by nftables again: .*no nftables/,
  });
  expect(existsSync(configPath(node.dataDir))).toBe(true);
});

test("a mode that cannot be written leaves the process as it is", async () => {
  const { acts, done, start, configured } = machine();
  await start();
  refuseWrites();
  const changing = changeNodeMode(node, "iptables", acts, context());
  await expect(changing).rejects.toMatchObject({
    code: "MODE",
    message: /by iptables: EISDIR.*; it does by nftables again/,
  });
  expect(done).toEqual(["start nftables", "ready in nftables, applied: true"]);
  expect(await configured()).toBe("nftables");
});

test("a node whose former mode cannot be written has a process all the same", async () => {
  const { acts, start, state } = machine();
  await start();
  let starts = 0;
  const ensureProcess: NodeActs["ensureProcess"] = (...args) => {
    if (starts++ > 0) return acts.ensureProcess(...args);
    refuseWrites();
    return Promise.reject(new CodedError("PROCESS", "node: no"));
  };
  const changing = changeNodeMode(node, "iptables", { ...acts, ensureProcess }, context());
  await expect(changing).rejects.toMatchObject({
    code: "MODE",
    message: /by iptables: node: no; nor by nftables again: EISDIR/,
  });
  expect(state()).toMatchObject({ mode: "iptables" });
});
