import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { walksOf } from "../../labs/walk.ts";
import { inTurn } from "../../testing/drawn.ts";
import { ASK_MS, TestCluster } from "./cluster.ts";
import { WalkShell } from "./walk-shell.ts";
import { POD, yearsLater } from "./years.ts";

// Takes turns, a cluster in people's hands: each file works on a running one as they do, here by
// the runbooks, in commands.test.ts by kubectl's verbs and r2k's, in the dashboard's in a browser.
// In every run are the demo in a shell, and the page that people sign in to: demo.test.ts,
// dashboard-tokens.test.ts.

const NAME = "default";
const PAGE = join(import.meta.dirname, "../../docs/OPERATIONS.md");

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start(NAME, ["--no-demo"]);
});
afterAll(() => cluster?.close());

const start = (...flags: string[]) =>
  cluster.host.r2k(["start", "--name", NAME, "--no-demo", ...flags]);

it("the runbooks' commands print what stands there", async () => {
  const shell = new WalkShell(cluster);
  for (const walk of walksOf(readFileSync(PAGE, "utf8"))) await shell.follow(walk);
});

const GONE = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: { name: gone }
webhooks:
  - name: gone.example.com
    clientConfig: { service: { name: gone, namespace: default } }
    rules:
      - { apiGroups: [example.com], apiVersions: ["*"], operations: ["*"], resources: ["*"] }
    sideEffects: None
    admissionReviewVersions: [v1]
`;

it("doctor names what is wrong in a running cluster, each with its remedy", async () => {
  interface Checked {
    check: string;
    state: string;
    remedy?: string;
  }
  const doctor = async () => {
    const { stdout } = await cluster.host.r2k(["doctor", "--name", NAME, "-o", "json"]);
    const found = (JSON.parse(stdout) as Checked[]).filter(({ state }) => state === "failed");
    expect(found.filter(({ remedy = "" }) => remedy === "")).toEqual([]);
    return found.map(({ check }) => check).sort();
  };
  await expect.poll(doctor, { timeout: 60_000, interval: ASK_MS }).toEqual([]);
  const { host } = cluster;
  const config = readFileSync(join(host.dir, "data", NAME, "cluster.json"), "utf8");
  const { apiServiceAddress, dnsAddress, nodeName } = JSON.parse(config) as Record<string, string>;
  const route = (verb: string) => async (address: string) => {
    const change = `ip route ${verb} blackhole ${address}`;
    const node = `nsenter --net=${join(host.dir, "run", NAME, "netns/node")} ${change}`;
    const { code, stderr } = await host.run("sh", ["-ec", `${change}; ${node}`]);
    expect(code, stderr).toBe(0);
  };
  await cluster.apply(GONE);
  await cluster.ask("run", "bad", "--image=r2k.local/absent:1", "--image-pull-policy=Never");
  const reason = ["get", "pod", "bad", "-o", "jsonpath={..waiting.reason}"];
  await cluster.until("a missing image", reason, (text) => text === "ErrImageNeverPull");
  await Promise.all([apiServiceAddress!, dnsAddress!].map(route("add")));
  const wrong = await doctor();
  await Promise.all([apiServiceAddress!, dnsAddress!].map(route("del")));
  await cluster.ask("delete", "pod/bad", "validatingwebhookconfiguration/gone", "--wait=false");
  expect(wrong).toEqual([
    "DNS of the cluster",
    `Service from node ${nodeName}`,
    "Service from this host",
    "address ranges",
    "pod default/bad",
    "webhooks of gone",
  ]);
});

it("a support bundle has logs, findings and objects, and no Secret", async () => {
  const { host } = cluster;
  const MARK = "what-nobody-may-see";
  await cluster.ask("create", "secret", "generic", "hidden", `--from-literal=word=${MARK}`);
  const file = join(host.dir, "support.tar.gz");
  const listed = await host.r2k(["support-bundle", "--name", NAME, "--list"]);
  expect(listed.stdout).toMatch(/\d+ logs\/control\.log\n/);
  expect(existsSync(file)).toBe(false);
  const packed = await host.r2k(["support-bundle", file, "--name", NAME]);
  expect(packed.code, packed.stderr).toBe(0);
  const unpacked = join(host.dir, "support");
  mkdirSync(unpacked);
  await host.run("tar", ["-xzf", file, "-C", unpacked]);
  const read = (name: string) => JSON.parse(readFileSync(join(unpacked, name), "utf8")) as unknown;
  expect(read("objects/index.json")).toMatchObject({ secrets: "left out", nodes: "1" });
  expect(read("objects/configmaps.json")).toContainEqual(
    expect.objectContaining({ data: { answer: "42" } }),
  );
  const dns = expect.objectContaining({ name: "DNS of the cluster" }) as unknown;
  expect(read("doctor.json")).toContainEqual(dns);
  expect(readFileSync(join(unpacked, "logs/node.log"), "utf8")).toContain("kubelet");
  const { stdout } = await host.run("grep", ["-rE", `${MARK}|PRIVATE KEY`, unpacked]);
  expect(stdout).toBe("");
  const again = await host.r2k(["support-bundle", file, "--name", NAME]);
  expect(again.stderr).toContain("support.tar.gz exists");
});

const runAgain = async () => {
  await cluster.ask("run", POD, "--image=r2k.local/busybox:1", "--", "sleep", "1000");
  const phase = ["get", "pod", POD, "-o", "jsonpath={.status.phase}"];
  await cluster.until("a pod to run", phase, (text) => text === "Running");
};

function lostStore(): void {
  it("a store that lost its data is noticed, and a new one begins only when asked for", async () => {
    expect((await cluster.kubectl(["get", "configmap", "kept"])).code).toBe(0);
    expect((await cluster.down([])).code).toBe(0);
    rmSync(join(cluster.host.dir, "data", NAME, "store"), { recursive: true });
    const refused = await start();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/default\/store\/member has no data, but this cluster has run/);
    expect(refused.stderr).toMatch(
      /remedy: restore .* from a backup; .*r2k start --new-store --name default/,
    );
    const accepted = await start("--new-store");
    expect(accepted.code, accepted.stderr).toBe(0);
    expect((await cluster.kubectl(["get", "configmap", "kept"])).stderr).toContain("NotFound");
    await runAgain();
    await cluster.ask("delete", "pod", POD, "--now");
    expect((await cluster.down([])).code).toBe(0);
    const again = await start("--new-store");
    expect(again.stderr).toMatch(/--new-store: .*store\/member has data/);
    if (process.env["R2K_TURNS"] === "all") await cluster.up(["--no-demo"]);
  });
}

const stopped = () =>
  yearsLater(async () => {
    await runAgain();
    return cluster;
  });
for (const judge of inTurn("a cluster that was stopped", [lostStore, stopped], 1)) judge();
