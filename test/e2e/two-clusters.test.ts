import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { TestCluster } from "./cluster.ts";
import { differences, type HostSnapshot } from "./host-snapshot.ts";
import { OwnHost } from "./own-host.ts";

const IMAGE = "r2k.local/busybox:1";
const NAMES = ["alpha", "beta"] as const;
const FLAGS = ["--no-demo", "--nodes", "2"];
const patience = { clock: machineClock(), timeout_ms: 60_000 };

/** The same in both: a server on each node, behind a Service. */
const MANIFEST = `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec:
  selector: { matchLabels: { app: agent } }
  template:
    metadata: { labels: { app: agent } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: ${IMAGE}
          command: [sh, -c, 'echo "$NODE" > /tmp/index.html; httpd -f -p 8080 -h /tmp']
          env: [{ name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
---
apiVersion: v1
kind: Service
metadata: { name: agents }
spec: { selector: { app: agent }, ports: [{ port: 80, targetPort: 8080 }] }
`;

/** Runs when asked for: it takes a minute and more. */
const ASKED = process.env["R2K_TWO_CLUSTERS"] !== undefined;

describe.runIf(ASKED)("two clusters of two nodes on one host", () => {
  let host: OwnHost;
  let before: HostSnapshot;
  let clusters: TestCluster[];

  beforeAll(async () => {
    host = await OwnHost.create();
    await host.r2k(["version"]);
    before = await host.snapshot(NAMES[0]);
    // Started together, so that both choose address ranges.
    clusters = await Promise.all(NAMES.map((name) => TestCluster.startIn(host, name, FLAGS)));
  });

  afterAll(async () => {
    for (const name of NAMES) await host.r2k(["down", "--purge", "--name", name]);
    await host.close();
  });

  const configOf = (name: string) =>
    JSON.parse(readFileSync(join(host.dir, "data", name, "cluster.json"), "utf8")) as Record<
      string,
      unknown
    >;

  /** Links, routes and rules of a cluster: in its namespaces, and on the host. */
  async function networkOf(name: string): Promise<string> {
    const run = join(host.dir, "run", name);
    const script =
      "ip -br link; ip route; ip neigh show nud permanent; bridge fdb | grep dst; " +
      "nft -s list ruleset";
    const spaces = ["netns/underlay", "netns/node", "nodes/node-2/netns/node"];
    const inside = spaces.map((netns) =>
      host.run("nsenter", [`--net=${join(run, netns)}`, "sh", "-c", script]),
    );
    const device = `r2k-${name}`;
    const onHost = await host.run("sh", [
      "-c",
      `ip link show ${device}; ip route show dev ${device}; nft -s list table ip ${device}`,
    ]);
    const outputs = [...(await Promise.all(inside)), onHost];
    for (const { stdout } of outputs) expect(stdout).not.toBe("");
    const lines = outputs.flatMap(({ stdout }) => stdout.split("\n"));
    // Pods that have connections come and go, and neighbours are reached or asked again.
    const lasting = lines.filter((line) => !line.includes("ct count over")).join("\n");
    return lasting.replaceAll(/ (REACHABLE|DELAY|STALE|PROBE) /g, " ");
  }

  /** Each pod asks each other one by its address, and the Service, which answers for both nodes. */
  async function talks(cluster: TestCluster): Promise<void> {
    const line = "{.metadata.name}|{.spec.nodeName}|{.status.podIP}";
    const template = `jsonpath={range .items[*]}${line}{"\\n"}{end}`;
    const rows = await cluster.ask("get", "pods", "-l", "app=agent", "-o", template);
    const pods = rows.split("\n").map((row) => row.split("|") as [string, string, string]);
    const nodes = pods.map(([, node]) => node).sort();
    expect(nodes).toHaveLength(2);
    const asks = [...pods.map(([, , ip]) => `${ip}:8080`), ...Array<string>(12).fill("agents")];
    const script = asks.map((to) => `wget -qO- http://${to}/`).join("; ");
    for (const [name] of pods) {
      const said = (await cluster.ask("exec", name, "--", "sh", "-c", script)).split("\n");
      expect(said.slice(0, 2)).toEqual(pods.map(([, node]) => node));
      expect([...new Set(said.slice(2))].sort()).toEqual(nodes);
    }
  }

  it("have different addresses, and each serves its own pods", async () => {
    const [one, two] = NAMES.map(configOf);
    const keys = ["slot", "apiPort", "hostAddress", "podCidr", "serviceCidr"];
    for (const key of keys) expect(one?.[key], key).not.toEqual(two?.[key]);
    await Promise.all(
      clusters.map(async (cluster) => {
        await cluster.apply(MANIFEST);
        await cluster.ask("rollout", "status", "daemonset/agent", "--timeout=60s");
      }),
    );
    for (const cluster of clusters) await talks(cluster);
  });

  it("one of the same name in other folders is refused, and takes nothing away", async () => {
    const whole = await networkOf("beta");
    const other = join(host.dir, "other");
    const folders = { R2K_DATA: join(other, "data"), R2K_RUN: join(other, "run") };
    const started = await host.r2k(["start", "--name", "beta", "--no-demo"], { env: folders });
    expect(started.code).not.toBe(0);
    expect(started.stderr).toMatch(/r2k-beta is that of a cluster in .*run\/beta/);
    await host.r2k(["down", "--purge", "--name", "beta"], { env: folders });
    expect(await networkOf("beta")).toBe(whole);
    await talks(clusters[1]!);
  });

  /** Groups in the hierarchies that the runtimes keep out of v2: nothing is put into them. */
  async function keptGroups(): Promise<string> {
    const kept = NAMES.map((name) => join(host.dir, "run", name));
    return (await host.run("find", [...kept, "-path", "*/cgroup-v1/*", "-type", "d"])).stdout;
  }

  it("one that is removed leaves the other as it was", async () => {
    const [alpha, beta] = clusters as [TestCluster, TestCluster];
    const whole = await networkOf("beta");
    expect(await keptGroups()).toBe("");
    expect(await alpha.down()).toMatchObject({ code: 0 });
    expect(await networkOf("beta")).toBe(whole);
    expect(existsSync(join(host.dir, "run/alpha"))).toBe(false);
    expect(await keptGroups()).toBe("");
    await talks(beta);
    const nodes = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}";
    const ready = async () => (await beta.ask("get", "nodes", "-o", nodes)) === "True True";
    await waitFor("both nodes", ready, patience);
    expect(await beta.down()).toMatchObject({ code: 0 });
    expect(differences(before, await host.snapshot(NAMES[0]))).toEqual([]);
  });
});
