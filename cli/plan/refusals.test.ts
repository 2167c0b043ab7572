import { expect, test } from "vitest";
import type { Observation } from "../observe/cluster.ts";
import { planCluster } from "../spec/config.ts";
import type { ProcessName } from "../spec/processes.ts";
import { type Edit, refuseEdit } from "./refusals.ts";

const roots = { data: "/nowhere/data", run: "/nowhere/run" };
const existing = await planCluster("one", roots, { storeMembers: 3, overlay: "vxlan" }, []);

const node = { config: undefined, runs: true, isSupervised: false };
const MEMBERS: ProcessName[] = ["store-1", "store-2", "store-3"];

function seen(running: readonly ProcessName[] = [], nodes: readonly string[] = []): Observation {
  const ofNodes = new Map(nodes.map((name) => [name, node]));
  const controlPlanes = new Set<string>();
  return {
    isWritten: true,
    hasHand: false,
    running: new Set(running),
    controlPlanes,
    nodes: ofNodes,
  };
}

function refusal(edit: Partial<Edit>): unknown {
  try {
    refuseEdit({
      existing,
      wanted: existing,
      choices: {},
      addsNfsServer: false,
      seen: seen(),
      ...edit,
    });
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

test("what the start of a new cluster has chosen does not change", () => {
  const fixed = { code: "FIXED", remedy: expect.stringContaining("--purge --name one") as string };
  expect(refusal({ choices: { storeMembers: 1 } })).toMatchObject(fixed);
  expect(refusal({ choices: { overlay: "udp" } })).toMatchObject(fixed);
  expect(refusal({ choices: { etcdServers: "http://a:1" } })).toMatchObject(fixed);
  expect(refusal({ choices: { storeMembers: 3, overlay: "vxlan" } })).toBeUndefined();
  const single = { ...existing, storeMembers: undefined };
  expect(refusal({ existing: single as never, choices: { storeMembers: 1 } })).toBeUndefined();
  expect(refusal({ existing: undefined, choices: { storeMembers: 1 } })).toBeUndefined();
});

test.each([
  [{ apiPort: 7443 }, "--api-port 7443 cannot change its port"],
  [{ byHand: true }, "the runtimes that pods may choose cannot change (--by-hand)"],
  [{ auditPolicyFile: "/tmp/policy.yaml" }, "--audit-policy-file cannot change"],
  [{ registries: { "docker.io": "http://mirror:5000" } }, "--registry cannot change"],
  [{ runtimeConfig: "batch/v1=false" }, "--runtime-config cannot change"],
  [{ nodeMonitorGracePeriod_ms: 5000 }, "--node-monitor-grace-period cannot change"],
])("%j waits until the cluster is stopped", (changes, why) => {
  const wanted = { ...existing, ...changes };
  expect(refusal({ wanted, seen: seen(["control"]) })).toMatchObject({
    code: "RUNNING",
    message: `"one" is running; ${why} now`,
    remedy: "r2k down --name one, then start it with this flag",
  });
  expect(refusal({ wanted, seen: seen(["node"]) })).toBeUndefined();
});

test("a start in another mode is refused where a node runs without its control plane", () => {
  const wanted = { ...existing, proxyMode: "iptables" } as const;
  const refused = {
    code: "RUNNING",
    remedy: "r2k start --name one, then again with --proxy-mode iptables",
  };
  expect(refusal({ wanted })).toBeUndefined();
  expect(refusal({ wanted, seen: seen(["node"]) })).toMatchObject(refused);
  // It is found by its folder: its configuration may be lost.
  expect(refusal({ wanted, seen: seen([], ["node-2"]) })).toMatchObject(refused);
  expect(refusal({ wanted, seen: seen(["control"]) })).toMatchObject(refused);
  // A missing process of the first node is started in the new mode.
  expect(refusal({ wanted, seen: seen([...MEMBERS, "control"]) })).toBeUndefined();
});

test("a running cluster gets no NFS server", () => {
  const edit = { addsNfsServer: true };
  expect(refusal({ ...edit, seen: seen(["control"]) })).toMatchObject({ code: "RUNNING" });
  expect(refusal(edit)).toBeUndefined();
});
