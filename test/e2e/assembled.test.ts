import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findLab } from "../../labs/runner/manifest.ts";
import { LABS_DIR } from "../../labs/runner/paths.ts";
import { judgeSteps, namespaceOf } from "../../labs/runner/steps.ts";
import { markOf, OwnPart, PARTS } from "../../labs/testing/own-part.ts";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, TestCluster } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";

// Takes turns, a cluster on a reader's parts: see labs/own-core.test.ts.

const START_TIMEOUT_MS = 300_000;
const STEP_TIMEOUT_MS = 300_000;

/** The labs of the network between nodes, each with a mistake for a node of its own. */
const MISTAKES = {
  "13": "forwarding entries are set as neighbours",
  "14b": "node ports are not served",
} as const;
const OTHER = "other";
const THIRD = "third";
const PATIENCE_MS = 60_000;
const WRONG = "wrong";
/** curl's exit code when a server refuses (curl(1)). */
const CURL_REFUSED = 7;

const own = new OwnPart("assembled");
const mistaken = new OwnPart("mistaken", Object.keys(MISTAKES));
let cluster: TestCluster;
let plugin: ChildProcess;

beforeAll(async () => {
  own.useUnjudged();
  const host = await OwnHost.create();
  host.program = await programOf(own);
  cluster = await TestCluster.startIn(host, "whole", ["--store-members", "3"]);
  const [program, ...main] = host.program;
  const kubeletDir = join(host.dir, "data", cluster.name, "kubelet");
  const flags = ["--kubelet-dir", kubeletDir, "--count", "1", "--shares", "2"];
  const words = [...main, "device-gpu", ...flags];
  plugin = host.start(program, words, { timeout_ms: START_TIMEOUT_MS + 3 * STEP_TIMEOUT_MS });
});

afterAll(async () => {
  plugin?.kill("SIGTERM");
  await cluster?.close();
  own.remove();
  mistaken.remove();
});

/** Runs a command of a lab's step on the cluster's host; returns what it prints. */
async function shell(command: string, { NS = "" }: NodeJS.ProcessEnv): Promise<string> {
  const [program, ...words] = cluster.host.program;
  const here = command.replaceAll("./r2k", [program, ...words].join(" "));
  const env = { ...cluster.env, NS, R2K_CLUSTER: cluster.name };
  return (await cluster.host.run("sh", ["-c", `exec 2>&1; ${here}`], { env })).stdout;
}

/** The command line of the product with a reader's parts. */
async function programOf(part: OwnPart): Promise<[string, ...string[]]> {
  const variables = ["R2K_ROOT", "R2K_LABS"].map((name) => `${name}=${part.env[name] ?? ""}`);
  return ["env", ...variables, process.execPath, await part.bundle()];
}

const CLAIM = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: kept }
spec:
  accessModes: [ReadWriteOnce]
  resources: { requests: { storage: 8Mi } }
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: by-hand }
handler: by-hand
---
apiVersion: v1
kind: Pod
metadata: { name: user }
spec:
  runtimeClassName: by-hand
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: r2k.local/busybox:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "echo kept > /data/file; exec sleep 600"]
      resources: { limits: { r2k.dev/gpu: 1 } }
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: kept } }]
`;

describe("the cluster of every lab's part", () => {
  it("runs the demo, and names the parts", async () => {
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=120s");
    const { stdout } = await cluster.host.r2k(["status", "--name", cluster.name, "-o", "json"]);
    const { ownParts, views } = JSON.parse(stdout) as {
      ownParts: string[];
      views: { differences: string[] };
    };
    expect(ownParts).toEqual(PARTS);
    expect(views.differences).toEqual([]);
  });

  it("runs a pod by hand with a claim and a share of a GPU", async () => {
    await cluster.apply(CLAIM);
    const phase = ["get", "pod", "user", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the pod to run", phase, (text) => text === "Running", 90_000);
    const shell = ["exec", "user", "--", "sh", "-c"];
    const seen = "cat /data/file; echo $R2K_GPUS $R2K_GPU_MEMORY_MIB; ls /dev/r2k-gpu";
    expect(await cluster.ask(...shell, seen)).toBe("kept\ngpu-0 8192\ngpu-0");
  });

  it("answers through the Service, three pods behind it", async () => {
    await cluster.ask("scale", "deployment/web", "--replicas=3");
    await cluster.ask("rollout", "status", "deployment/web", "--timeout=120s");
    const ready = ["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"];
    expect(await cluster.ask(...ready)).toBe("3");
    const fetched = await cluster.ask("exec", "user", "--", "wget", "-qO-", "http://web");
    expect(fetched).not.toBe("");
  });

  it("resolves names with the reader's DNS, by the search path", async () => {
    const resolves = async (...words: string[]) =>
      cluster.ask("exec", "user", "--", "nslookup", ...words);
    expect(await cluster.ask("exec", "user", "--", "cat", "/etc/resolv.conf")).toMatch(
      /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m,
    );
    const target = "kubernetes.default.svc.cluster.local";
    expect(await resolves("-type=srv", `_https._tcp.${target}`)).toContain(`443 ${target}`);
    const { stdout } = await cluster.host.r2k(["logs", "node", "--name", cluster.name]);
    expect(stdout).toContain(markOf("15"));
  });
});

/** A pod on a node, which answers with the node's name, and its Service. */
const server = (name: string, node: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: r2k.local/busybox:1
      command: [sh, -c, "echo ${node} > /tmp/index.html; httpd -f -p 8080 -h /tmp"]
      readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  type: NodePort
  selector: { app: ${name} }
  ports: [{ port: 80, targetPort: 8080 }]
`;

/** A node with a server in a pod, and all its addresses. */
interface Place {
  readonly node: string;
  readonly address: string;
  readonly pod: string;
  readonly podIp: string;
  readonly clusterIp: string;
  readonly nodePort: string;
}

async function serve(pod: string, node: string): Promise<Place> {
  await cluster.apply(server(pod, node));
  await cluster.ask("wait", "--for=condition=Ready", `pod/${pod}`, "--timeout=90s");
  const field = (kind: string, name: string, path: string) =>
    cluster.ask("get", kind, name, "-o", `jsonpath={${path}}`);
  const [address, podIp, clusterIp, nodePort] = await Promise.all([
    field("node", node, ".status.addresses[0].address"),
    field("pod", pod, ".status.podIP"),
    field("service", pod, ".spec.clusterIP"),
    field("service", pod, ".spec.ports[0].nodePort"),
  ]);
  return { node, address, pod, podIp, clusterIp, nodePort };
}

async function addNode(name: string): Promise<void> {
  const { code, stderr } = await cluster.host.r2k(["node", "add", name, "--name", cluster.name]);
  expect(code, stderr).toBe(0);
}

/** Waits until a place's pod gets an answer of `to`, at one of its addresses. */
const reaches = ({ pod }: Place, to: Place, address: string) =>
  cluster.until(
    `${to.node} at ${address}, from ${pod}`,
    ["exec", pod, "--", "timeout", "5", "wget", "-qO-", `http://${address}/`],
    (answer) => answer === to.node,
  );

const pings = async ({ pod }: Place, { podIp }: Place) =>
  (await cluster.kubectl(["exec", pod, "--", "ping", "-q", "-c3", "-W2", podIp])).code === 0;

/** The nodes' addresses in the forwarding table of a joined node's overlay. */
async function forwarding(node: string): Promise<string[]> {
  const netns = join(cluster.host.dir, "run", cluster.name, "nodes", node, "netns/node");
  const show = ["bridge", "fdb", "show", "dev", "flannel.1"];
  const { stdout } = await cluster.host.run("nsenter", [`--net=${netns}`, ...show]);
  return [...stdout.matchAll(/ dst (\S+)/g)].map(([, address = ""]) => address).sort();
}

describe("nodes with a reader's overlay and proxy", () => {
  let first: Place;
  let other: Place;
  let wrongProgram: typeof cluster.host.program;

  it("a pod reaches the other node's pod, its Service and its node port", async () => {
    const name = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
    await addNode(OTHER);
    [first, other] = await Promise.all([serve("on-first", name), serve("on-other", OTHER)]);
    for (const [from, to] of [
      [first, other],
      [other, first],
    ] as const) {
      await reaches(from, to, `${to.podIp}:8080`);
      await reaches(from, to, to.clusterIp);
      expect(await cluster.curl(`http://${from.address}:${to.nodePort}/`)).toBe(`${to.node}\n`);
    }
    const logs = ["logs", "node", "--node", OTHER, "--name", cluster.name];
    const { stdout } = await cluster.host.r2k(logs);
    for (const number of Object.keys(MISTAKES)) expect(stdout).toContain(markOf(number));
  });

  it("passes the steps of the assembled cluster's lab, after a member of the store has died", {
    timeout: 2 * STEP_TIMEOUT_MS,
  }, async () => {
    await addNode(THIRD);
    const lab = findLab("22");
    const failing = async (only: string, patience_ms: number) => {
      const { outcomes } = await judgeSteps(lab, { folder: "", env: {}, shell, only, patience_ms });
      return outcomes.flatMap(({ passed, title, message }) =>
        passed ? [] : `${title}: ${message}`,
      );
    };
    const asked = (await failing("", 0)).map((text) => text.split(":")[0]);
    expect(asked).toEqual(
      expect.arrayContaining([
        "controllers, scheduler",
        "network",
        "a member of the store was killed, and came back",
      ]),
    );
    await cluster.apply(readFileSync(join(LABS_DIR, lab.folder, "given.yaml"), "utf8"));
    const create = ["create", "configmap", "--namespace", namespaceOf(lab)];
    await cluster.ask(...create, "before");
    const status = await cluster.host.r2k(["status", "--name", cluster.name, "-o", "json"]);
    type Processes = { processes: { name: string; pid: number }[] };
    const { processes } = JSON.parse(status.stdout) as Processes;
    process.kill(processes.find(({ name }) => name === "store-2")!.pid, "SIGKILL");
    await cluster.ask(...create, "after");
    expect(await failing("", PATIENCE_MS)).toEqual([]);
  });

  it("a node whose parts have mistakes shows them, and the others do not", async () => {
    mistaken.writeUnjudged(
      ...Object.entries(MISTAKES).map(
        ([number, name]) => findLab(number).mutants.find((mutant) => mutant.name === name)!,
      ),
    );
    const right = cluster.host.program;
    cluster.host.program = wrongProgram = await programOf(mistaken);
    await addNode(WRONG);
    cluster.host.program = right;
    const wrong = await serve("on-wrong", WRONG);
    await reaches(wrong, wrong, wrong.clusterIp);
    const url = `http://${wrong.address}:${wrong.nodePort}/`;
    expect(await cluster.host.run("curl", ["-sS", url])).toMatchObject({ code: CURL_REFUSED });
    const third = await cluster.ask(
      "get",
      "node",
      THIRD,
      "-o",
      "jsonpath={.status.addresses[0].address}",
    );
    const peers = [first.address, third, wrong.address].sort();
    await waitFor(
      "the others to know the node",
      async () => (await forwarding(OTHER)).join() === peers.join(),
      { clock: machineClock(), timeout_ms: STEP_TIMEOUT_MS, interval_ms: ASK_MS },
    );
    expect(await forwarding(WRONG)).toEqual([]);
    expect([await pings(wrong, other), await pings(other, wrong)]).toEqual([false, false]);
    expect([await pings(other, first), await pings(first, other)]).toEqual([true, true]);
  });

  it("a start with other parts restarts the processes, and leaves the pods alone", async () => {
    const path = "{.items[*].status.containerStatuses[0].containerID}";
    const ids = ["get", "pods", "-o", `jsonpath=${path}`];
    const before = await cluster.ask(...ids);
    cluster.host.program = wrongProgram;
    const { code, stderr } = await cluster.host.r2k(["start", "--name", cluster.name]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("restarted, with your part of lab 13, 14b");
    const { stdout } = await cluster.host.r2k(["status", "--name", cluster.name, "-o", "json"]);
    expect((JSON.parse(stdout) as { ownParts: string[] }).ownParts).toEqual(["13", "14b"]);
    expect(await cluster.ask(...ids)).toBe(before);
  });
});
