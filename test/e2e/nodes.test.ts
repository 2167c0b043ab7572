import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { walksOf } from "../../labs/walk.ts";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, type ClusterProcess, killAll, TestCluster } from "./cluster.ts";
import { CopiedCredentials } from "./copied-credentials.ts";
import { differences, type HostSnapshot } from "./host-snapshot.ts";
import { answersAt, balancedAddress, loadBalancing } from "./load-balancer.ts";
import { NodeClocks, ownMarks } from "./moved-clock.ts";
import { IdentityWatch, leftovers } from "./node-holdings.ts";
import { MANIFEST } from "./nodes-manifest.ts";
import { OwnHost } from "./own-host.ts";
import { everyStreamArrives, hostReaches, PING_BYTES, STREAM_BYTES } from "./packet-sizes.ts";
import { policiesAcrossNodes } from "./policies.ts";
import { SlowProcess } from "./slow-node.ts";
import { WalkShell } from "./walk-shell.ts";

// Takes turns, nodes that come and go: both files add a node, stop it, have it back after its
// process was killed, and remove it; here in namespaces, in test/guest/node.test.ts with a kernel.

const README = join(import.meta.dirname, "../../README.md");
const DEMO = join(import.meta.dirname, "../../examples/web.yaml");
const NAME = "three";
const GRACE_S = 6;
/** A slow link lets out a stream in a second, and holds back what is more. */
const SLOW_LINK = ["rate", "8mbit", "burst", "16kb", "latency", "400ms"];
const patience = { clock: machineClock(), timeout_ms: 60_000, interval_ms: ASK_MS };

interface PodPlace {
  readonly name: string;
  readonly node: string;
  readonly ip: string;
  readonly uid: string;
  readonly leaving: boolean;
}

let host: OwnHost;
let cluster: TestCluster;
let before: HostSnapshot;
let first: string;

beforeAll(async () => {
  host = await OwnHost.create();
  await ownMarks(host);
  before = await host.snapshot(NAME);
  const flags = ["--no-demo", "--nodes", "3", "--node-monitor-grace-period", `${GRACE_S}s`];
  cluster = await TestCluster.startIn(host, NAME, flags);
  const names = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}");
  first = names.split(" ").find((name) => name.startsWith(`${NAME}-`)) ?? "";
  await cluster.apply(MANIFEST);
  await cluster.ask("rollout", "status", "daemonset/agent", "--timeout=60s");
  await cluster.ask("rollout", "status", "deployment/moving", "--timeout=60s");
  await cluster.ask("rollout", "status", "statefulset/single", "--timeout=60s");
});

afterAll(async () => {
  await host.r2k(["down", "--purge", "--name", NAME]);
  await host.close();
});

async function podsOf(app: string): Promise<PodPlace[]> {
  const fields = [
    "metadata.name",
    "spec.nodeName",
    "status.podIP",
    "metadata.uid",
    "metadata.deletionTimestamp",
  ];
  const line = fields.map((field) => `{.${field}}`).join("|");
  const template = `jsonpath={range .items[*]}${line}{"\\n"}{end}`;
  const text = await cluster.ask("get", "pods", "-l", `app=${app}`, "-o", template);
  return text
    .split("\n")
    .filter(Boolean)
    .map((row) => {
      const [name = "", node = "", ip = "", uid = "", leaving = ""] = row.split("|");
      return { name, node, ip, uid, leaving: leaving !== "" };
    });
}

const conditionOf = (node: string) => [
  "get",
  "node",
  node,
  "-o",
  "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
];
const untilReady = (node: string, status: string) =>
  cluster.until(`${node} to be ${status}`, conditionOf(node), (answer) => answer === status);
const addressOfNode = (name: string) =>
  cluster.ask("get", "node", name, "-o", "jsonpath={.status.addresses[0].address}");
const addressOf = (name: string) =>
  cluster.ask("get", "service", name, "-o", "jsonpath={.spec.clusterIP}");

/** Takes a node's port of the underlay's bridge down, or up: its cable. */
async function cable(port: string, state: "up" | "down"): Promise<void> {
  const set = ["ip", "link", "set", port, state];
  expect(await inside("netns/underlay", set)).toMatchObject({ code: 0 });
}

const netnsOf = (node: string) => (node === first ? "netns/node" : `nodes/${node}/netns/node`);

/** Runs a program in a network namespace of the cluster. */
function inside(netns: string, command: readonly string[]) {
  return host.run("nsenter", [`--net=${join(host.dir, "run", NAME, netns)}`, ...command]);
}
const clocks = new NodeClocks(() => cluster);

async function processOf(name: string): Promise<ClusterProcess> {
  const found = (await cluster.processes()).find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no process ${name}`);
  return found;
}

/**
 * How long a node had been silent when its condition changed: from its last renewal, or later. Less
 * a part of a second, which the condition's time leaves out.
 */
async function silence_s(node: string): Promise<number> {
  const time = "jsonpath={.status.conditions[?(@.type=='Ready')].lastTransitionTime}";
  const changed = await cluster.ask("get", "node", node, "-o", time);
  const lease = ["get", "lease", node, "-n", "kube-node-lease"];
  const renewed = await cluster.ask(...lease, "-o", "jsonpath={.spec.renewTime}");
  return (Date.parse(changed) - Date.parse(renewed)) / 1_000 + clocks.ahead_s(node);
}

/** Watches the statuses of a node's condition; `stop` lists them in turn, up to a last one. */
async function watchReady(node: string): Promise<{ stop(last: string): Promise<string> }> {
  const [, , , , template = ""] = conditionOf(node);
  const child = cluster.startKubectl(["get", "node", node, "-w", "-o", `${template}{"\\n"}`]);
  let text = "";
  child.stdout?.on("data", (chunk) => (text += String(chunk)));
  const seen = () => text.split("\n").filter((one, i, all) => one !== "" && one !== all[i - 1]);
  await waitFor("the watch to begin", () => seen().length > 0, patience);
  return {
    async stop(last) {
      await waitFor(`the watch to see ${last}`, () => seen().at(-1) === last, patience);
      child.kill();
      return seen().join(" ");
    },
  };
}

/** Waits until every node has what its pods need, and nothing of other pods. */
async function nothingLeaked(): Promise<void> {
  const found = () => leftovers(cluster, [first, "node-2", "node-3"]);
  await expect.poll(found, { interval: ASK_MS }).toEqual([]);
}

/** Waits until each workload has its pods again, and the identity of `lost` is another pod's. */
async function settled(lost: PodPlace | undefined): Promise<void> {
  await waitFor(
    "the old pods to go",
    async () => {
      const pods = [...(await podsOf("moving")), ...(await podsOf("single"))];
      return pods.length === 4 && pods.every(({ leaving, uid }) => !leaving && uid !== lost?.uid);
    },
    patience,
  );
  await cluster.ask("rollout", "status", "statefulset/single", "--timeout=60s");
  await cluster.ask("rollout", "status", "daemonset/agent", "--timeout=60s");
}

describe("three nodes", () => {
  it("each has an identity that it asked for, and a range of its own", async () => {
    const ranges = "jsonpath={.items[*].spec.podCIDR}";
    const cidrs = (await cluster.ask("get", "nodes", "-o", ranges)).split(" ");
    expect(new Set(cidrs).size).toBe(3);
    const line = "{.spec.username}|{.spec.signerName}|{.status.conditions[*].type}";
    const template = `jsonpath={range .items[*]}${line}{"\\n"}{end}`;
    const asked = (await cluster.ask("get", "csr", "-o", template)).split("\n");
    const signer = "kubernetes.io/kube-apiserver-client";
    expect(asked.map((row) => row.replace(/^system:bootstrap:\w+/, "token")).sort()).toEqual(
      ["node-2", "node-3"]
        .flatMap((node) => [
          `token|${signer}-kubelet|Approved`,
          `system:node:${node}|kubernetes.io/kubelet-serving|Approved`,
          ...["proxy", "dns", "csi"].map(() => `system:node:${node}|${signer}|Approved`),
        ])
        .sort(),
    );
    const secrets = await cluster.ask("get", "secrets", "-n", "kube-system", "-o", "name");
    expect(secrets).not.toContain("bootstrap-token");
    const status = await host.r2k(["status", "--name", NAME]);
    expect(status.stdout).toMatch(/well[^]*node node-2 +pid \d+[^]*node-3 Ready/);
    expect(status.code).toBe(0);
    const doctor = await host.r2k(["doctor", "--name", NAME]);
    expect(doctor.stdout).toMatch(/✓ node node-3 process of "three"/);
    expect(doctor.stdout).toMatch(/✓ certificate pki\/kubelet.crt of node node-2/);
  });

  it("a Deployment without constraints has a pod on each", async () => {
    const nodes = (await podsOf("moving")).map(({ node }) => node);
    expect(nodes.sort()).toEqual([first, "node-2", "node-3"].sort());
  });

  it("the demo's web servers spread, beside its pod with a claim of one node", async () => {
    await cluster.apply(readFileSync(DEMO, "utf8"));
    const parts = ["deployment/web", "deployment/data"];
    await cluster.ask("wait", "--for=condition=Available", ...parts, "--timeout=60s");
    expect(new Set((await podsOf("web")).map(({ node }) => node)).size).toBe(2);
    expect(await podsOf("data")).toHaveLength(1);
    await cluster.ask("delete", "-f", DEMO, "--timeout=60s");
  });

  it("every pod reaches every pod, every Service and its name, in both directions", async () => {
    const agents = await podsOf("agent");
    expect(agents.map(({ node }) => node).sort()).toEqual([first, "node-2", "node-3"].sort());
    const ip = await addressOf("agents");
    const urls = [...agents.map((pod) => `${pod.ip}:8080`), ...Array(8).fill(ip), "agents"];
    for (const pod of agents) {
      const script = urls.map((url) => `wget -qO- http://${url}/`).join("; ");
      const said = (await cluster.ask("exec", pod.name, "--", "sh", "-c", script)).split("\n");
      expect(said).toHaveLength(urls.length);
      expect(said.slice(0, 3)).toEqual(agents.map(({ name, node }) => `${name} ${node}`));
      expect(new Set(said.slice(3)).size).toBeGreaterThan(1);
    }
    for (const pod of agents) {
      const others = agents.filter(({ name }) => name !== pod.name).map((other) => other.ip);
      const pings = PING_BYTES.flatMap((size) => {
        return others.map((to) => `ping -q -c 1 -W 5 -s ${size} ${to}`);
      });
      const mtu = "cat /sys/class/net/eth0/mtu";
      const streams = Array(6).fill("wget -qO- http://agents/stream | wc -c");
      const script = [...pings, mtu, ...streams].join(" && ");
      const said = (await cluster.ask("exec", pod.name, "--", "sh", "-c", script)).split("\n");
      expect(said.slice(-7)).toEqual(["1450", ...streams.map(() => String(STREAM_BYTES))]);
    }
    for (const pod of agents) {
      expect(await cluster.curl(`http://${pod.ip}:8080/`)).toMatch(pod.node);
    }
    await hostReaches(cluster, agents, ip);
    expect(await cluster.curl(`http://${ip}/`)).toMatch(/^agent-/);
    const nodePort = ["get", "service", "agents", "-o", "jsonpath={.spec.ports[0].nodePort}"];
    const local = await cluster.curl(`http://localhost:${await cluster.ask(...nodePort)}/`);
    expect(local).toMatch(/^agent-/);
  });

  it("the overlay carries what pods of different nodes say", async () => {
    const agents = await podsOf("agent");
    for (const { node } of agents) {
      for (const { node: other, ip } of agents) {
        const way = await inside(netnsOf(node), ["ip", "route", "get", ip]);
        expect(way.stdout, `${node} to ${other}`).toContain(
          node === other ? "dev cni0" : "dev flannel.1",
        );
      }
    }
  });

  it("addresses of load balancers are had, and not by others", () =>
    loadBalancing(cluster, "agent"));

  it("network policies hold between nodes", async () =>
    policiesAcrossNodes(cluster, await podsOf("agent"), await podsOf("moving")));

  it("the README's commands show it", async () => {
    const agents = await podsOf("agent");
    const [from, to] = ["node-2", first].map((name) => agents.find(({ node }) => node === name)!);
    const talk = cluster.startKubectl(["exec", from!.name, "--", "ping", to!.ip]);
    const shell = new WalkShell(cluster);
    for (const walk of walksOf(readFileSync(README, "utf8"))) await shell.follow(walk);
    talk.kill();
  });

  it("exec, logs, port-forward and metrics work on each node", async () => {
    for (const [index, pod] of (await podsOf("agent")).entries()) {
      expect(await cluster.ask("exec", pod.name, "--", "cat", "/tmp/index.html")).toMatch(pod.node);
      expect(await cluster.ask("logs", pod.name)).toBe(`${pod.name} ${pod.node}`);
      const port = 18_080 + index;
      const forward = cluster.startKubectl(["port-forward", `pod/${pod.name}`, `${port}:8080`]);
      const answer = () => cluster.curl(`http://127.0.0.1:${port}/`);
      expect(await waitFor("the forwarded port", answer, patience)).toMatch(pod.node);
      forward.kill();
      const summary = `/api/v1/nodes/${pod.node}/proxy/stats/summary`;
      expect(await cluster.ask("get", "--raw", summary)).toContain(pod.name);
    }
  });

  it("a drained node has no more of the pods", async () => {
    await cluster.ask("drain", "node-3", "--ignore-daemonsets", "--force");
    await cluster.ask("rollout", "status", "deployment/moving", "--timeout=60s");
    const moved = (await podsOf("moving")).filter(({ leaving }) => !leaving);
    expect(moved.map(({ node }) => node)).not.toContain("node-3");
    await cluster.ask("uncordon", "node-3");
  });
});

describe("nodes that are lost", () => {
  let identity: IdentityWatch | undefined;

  beforeAll(() => {
    identity = new IdentityWatch(cluster, "single-0", [first, "node-2", "node-3"]);
  });

  afterAll(() => identity?.stop());

  /** Checks that the watch has seen these pods' containers one after the other. */
  function ranOneAfterTheOther(...uids: readonly (string | undefined)[]): void {
    expect([...(identity?.seen ?? [])].slice(-uids.length)).toEqual(uids);
    expect(identity?.twice).toEqual([]);
  }

  it("their pods run elsewhere, no identity twice, and the host reaches Services", async () => {
    const [single] = await podsOf("single");
    expect(single?.node).toBe("node-2");
    killAll([await processOf("node node-2")]);
    await cable("first", "down");
    await Promise.all([untilReady("node-2", "Unknown"), untilReady(first, "Unknown")]);
    for (const node of ["node-2", first]) {
      expect(await silence_s(node), node).toBeGreaterThan(GRACE_S - 1);
    }
    await waitFor(
      "three pods on the node that is left",
      async () => {
        const pods = (await podsOf("moving")).filter(({ leaving }) => !leaving);
        return pods.length === 3 && pods.every(({ node, ip }) => node === "node-3" && ip !== "");
      },
      patience,
    );
    const ip = await addressOf("moving");
    const answer = () => cluster.curl(`http://${ip}/`);
    await waitFor("an answer by the node that is left", answer, patience);
    await answersAt(cluster, await balancedAddress(cluster, "balanced"), "agent");
    expect(await podsOf("single")).toEqual([{ ...single, leaving: true }]);
    ranOneAfterTheOther(single?.uid);
  });

  it("when they come back they are Ready, and have let the old pods go", async () => {
    const [lost] = await podsOf("single");
    await cable("first", "up");
    // As a machine whose clock is behind, from here on.
    expect(await clocks.node(-240, "start", "node-2")).toMatchObject({ code: 0 });
    await untilReady(first, "True");
    await settled(lost);
    await nothingLeaked();
    ranOneAfterTheOther(lost?.uid, (await podsOf("single"))[0]?.uid);
  });

  it("one that stops for longer gives its pods up, no identity twice, and returns", async () => {
    const [single] = await podsOf("single");
    const stopped = single?.node ?? "";
    const { pid } = await processOf(stopped === first ? "node" : `node ${stopped}`);
    process.kill(pid ?? 0, "SIGSTOP");
    try {
      await untilReady(stopped, "Unknown");
      expect(await silence_s(stopped)).toBeGreaterThan(GRACE_S - 1);
      await waitFor(
        "its pods on the others",
        async () => {
          const pods = (await podsOf("moving")).filter(({ leaving }) => !leaving);
          return pods.length === 3 && pods.every(({ node, ip }) => node !== stopped && ip !== "");
        },
        patience,
      );
      await waitFor(
        "its own pod to be given up",
        async () => (await podsOf("single")).every(({ leaving }) => leaving),
        patience,
      );
      // Its container still runs there.
      expect(await podsOf("single")).toEqual([{ ...single, leaving: true }]);
      ranOneAfterTheOther(single?.uid);
    } finally {
      process.kill(pid ?? 0, "SIGCONT");
    }
    await untilReady(stopped, "True");
    await settled(single);
    expect((await processOf(stopped === first ? "node" : `node ${stopped}`)).pid).toBe(pid);
    await nothingLeaked();
    ranOneAfterTheOther(single?.uid, (await podsOf("single"))[0]?.uid);
  });

  it("one that is slowed works on, loses no pod while it is Ready, and recovers", async () => {
    const [single] = await podsOf("single");
    const slow = single?.node ?? "";
    const agents = await podsOf("agent");
    const old = agents.find((pod) => pod.node === slow);
    const other = agents.find((pod) => pod.node !== slow);
    const port = slow === first ? "first" : slow;
    const tc = async (...args: string[]) => {
      const outcome = await inside("netns/underlay", ["tc", ...args]);
      expect(outcome).toMatchObject({ code: 0 });
      return outcome.stdout;
    };
    const queue = await tc("qdisc", "show", "dev", port);
    const { pid } = await processOf(slow === first ? "node" : `node ${slow}`);
    const statuses = await watchReady(slow);
    const slowness = new SlowProcess(pid ?? 0);
    try {
      await tc("qdisc", "replace", "dev", port, "root", "tbf", ...SLOW_LINK);
      // Its kubelet ends a pod and starts another, which asks its DNS.
      await cluster.ask("delete", "pod", old?.name ?? "", "--wait=false");
      const next = await waitFor(
        "another pod on it",
        async () => {
          return (await podsOf("agent")).find(({ node, uid }) => node === slow && uid !== old?.uid);
        },
        patience,
      );
      await cluster.ask("wait", "--for=condition=Ready", `pod/${next.name}`, "--timeout=60s");
      const stream = `wget -qO- http://${other?.ip}:8080/stream | wc -c; wget -qO- http://agents/`;
      const answered = await cluster.ask("exec", next.name, "--", "sh", "-c", stream);
      expect(answered).toMatch(`${STREAM_BYTES}\nagent-`);
      expect(slowness.throttled).toBeGreaterThan(0);
      expect(await tc("-s", "qdisc", "show", "dev", port)).toMatch(/overlimits [1-9]/);
    } finally {
      await Promise.all([slowness.end(), tc("qdisc", "del", "dev", port, "root")]);
    }
    await untilReady(slow, "True");
    const seen = await statuses.stop("True");
    expect(seen).toMatch(/^True( Unknown True)*$/);
    await settled(undefined);
    const [now] = await podsOf("single");
    if (seen === "True") expect(now).toEqual(single);
    ranOneAfterTheOther(...new Set([single?.uid, now?.uid]));
    expect(await tc("qdisc", "show", "dev", port)).toBe(queue);
    await everyStreamArrives(cluster, await podsOf("agent"));
    await nothingLeaked();
  });

  it("a node is stopped, started, added and removed", async () => {
    const node = (...args: string[]) => host.r2k(["node", ...args, "--name", NAME]);
    expect(await node("stop", "node-3")).toMatchObject({ code: 0 });
    // `node stop` writes False; Unknown follows after the grace period.
    expect(await cluster.ask(...conditionOf("node-3"))).toMatch(/^(False|Unknown)$/);
    const stopped = await host.r2k(["status", "--name", NAME]);
    expect(stopped.stdout).toMatch(/well[^]*node node-3 +stopped[^]*node-3 NotReady \(stopped\)/);
    expect(await clocks.node(600, "start", "node-3")).toMatchObject({ code: 0 });
    expect(await cluster.ask(...conditionOf("node-3"))).toBe("True");
    await clocks.renewed("node-3");
    const { stdout: found } = await host.r2k(["doctor", "--name", NAME]);
    expect(found).toMatch(/clock of node node-3\W+is \d+ s ahead of this machine's/);
    // Since long; a Lease is judged by when it changes, not by the time in it.
    expect(await cluster.ask(...conditionOf("node-2"))).toBe("True");
    await clocks.renewed("node-2");
    expect(await node("add", "node-3")).toMatchObject({ code: 1 });
    const copied = await CopiedCredentials.of(cluster, "node-3", "app=agent");
    expect((await node("remove", "node-3")).stderr).toContain("its certificates are refused");
    await copied.untilRefused();
    expect((await cluster.kubectl(["get", "node", "node-3"])).stderr).toMatch(/NotFound/);
    expect(readdirSync(join(host.dir, "data", NAME, "nodes"))).toEqual(["node-2"]);
    // It joins, with a clock that is behind the certificates' making.
    expect(await clocks.node(-240, "add", "node-3")).toMatchObject({ code: 0 });
    await clocks.renewed("node-3");
    await cluster.ask("rollout", "status", "daemonset/agent", "--timeout=60s");
    expect(await addressOfNode("node-3")).toMatch(/\.4$/);
    await copied.untilRefused();
    expect(await node("stop", "elsewhere")).toMatchObject({ code: 1 });
    expect((await node("add", "Big_Name")).stderr).toMatch(/node name "Big_Name" is not usable/);
  });

  it("down removes all of them, a start goes on with them, and purge leaves nothing", async () => {
    const config = () => readFileSync(join(host.dir, "data", NAME, "nodes/node-2/kubelet.conf"));
    const identity = config();
    expect((await cluster.down([])).code).toBe(0);
    expect(differences(before, await host.snapshot(NAME))).toEqual([]);
    expect(readdirSync(join(host.dir, "data"))).toEqual([NAME]);
    await cluster.up(["--no-demo"]);
    expect((await cluster.processes()).map(({ name }) => name)).toEqual([
      "control",
      "node",
      "node node-2",
      "node node-3",
    ]);
    expect(config()).toEqual(identity);
    killAll(await cluster.processes());
    expect((await cluster.down()).code).toBe(0);
    expect(differences(before, await host.snapshot(NAME))).toEqual([]);
    // The last cluster removes the folder.
    const left = ["data", "run"].map((name) => join(host.dir, name)).filter(existsSync);
    expect(left.flatMap((path) => readdirSync(path))).toEqual([]);
  });
});
