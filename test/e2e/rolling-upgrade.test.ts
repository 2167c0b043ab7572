// Five machines, three of them control planes, take another release one after the other, each
// drained, while clients ask the API and a workload without pause.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { type Attempt, checkHistory, type Seen } from "./chaos/machines/history.ts";
import { ASKING, countsOf } from "./machines/asking.ts";
import { printed, readyOf } from "./machines/demo.ts";
import { type Machine, Machines, must } from "./machines/machine.ts";
import { otherBuild } from "./machines/other-build.ts";

/** Ten minutes on two processors: run when asked for. */
const ASKED = process.env["R2K_UPGRADE"] !== undefined;
const TIMEOUT_MS = 1_200_000;
const COMMAND_TIMEOUT_MS = 360_000;
const ADMIN = "/etc/kubernetes/admin.conf";
const NODE = "/usr/local/bin/node";
const IMAGE = "registry.k8s.io/kube-proxy:v1.36.0";
const CONTROL_PLANES = ["cp-1", "cp-2", "cp-3"];
const WORKERS = ["worker-1", "worker-2"];
const NODE_PORT = 30_080;
const KUBECTL_PAUSE_MS = 500;

/** The server ends connections as it ends, as programs behind a Service do. */
const SERVE = `
const server = require("node:http").createServer((_, answer) => answer.end("served"));
server.listen(8080);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
`;

let machines: Machines;
let balancer: Machine;
let nodes: Machine[];

const first = () => nodes[0]!;

const kubectl = (args: readonly string[], input = "") =>
  first().host.run("kubectl", ["--kubeconfig", ADMIN, ...args], {
    input,
    timeout_ms: COMMAND_TIMEOUT_MS,
  });

async function mustKubectl(args: readonly string[], input = ""): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect(code, `kubectl ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

async function r2k(machine: Machine, args: readonly string[]): Promise<string> {
  const done = await machine.host.r2k(args, { timeout_ms: COMMAND_TIMEOUT_MS });
  expect(done.code, `${machine.name}: r2k ${args.join(" ")}: ${done.stderr}`).toBe(0);
  return done.stdout;
}

/** Groups are the machine's that runs the test: each machine has one of its own. */
function configOf(machine: Machine): string {
  const file = join(machines.dir, `${machine.name}.yaml`);
  writeFileSync(
    file,
    `
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupRoot: /r2k-upgrade-${process.pid}/${machine.name}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
controlPlaneEndpoint: ${balancer.address}:6443
`,
  );
  return file;
}

/** The balancer in front of the API servers, as kubeadm's guide for several of them has it. */
function startBalancer(): void {
  const servers = nodes
    .slice(0, CONTROL_PLANES.length)
    .map(({ name, address }) => `  server ${name} ${address}:6443 check check-ssl verify none\n`);
  const file = join(machines.dir, "haproxy.cfg");
  writeFileSync(
    file,
    `
defaults
  mode tcp
  retries 3
  option redispatch 1
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen api
  bind ${balancer.address}:6443
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
  timeout check 5s
  default-server inter 2s fastinter 1s fall 3 rise 1
${servers.join("")}`,
  );
  const child = balancer.host.start("/usr/sbin/haproxy", ["-db", "-f", file]);
  for (const output of [child.stdout!, child.stderr!]) output.pipe(process.stderr, { end: false });
}

async function bringUp(): Promise<void> {
  const init = ["init", "--config", configOf(first()), "--upload-certs"];
  const said = await r2k(first(), init);
  const key = /--certificate-key (\w{64})/.exec(said)![1]!;
  const words = /r2k (join \S+ --token \S+ --discovery-token-ca-cert-hash \S+)/
    .exec(said)![1]!
    .split(" ");
  for (const machine of nodes.slice(1)) {
    const isControlPlane = CONTROL_PLANES.includes(machine.name);
    const more = isControlPlane ? ["--control-plane", "--certificate-key", key] : [];
    // A worker takes no cluster's configuration.
    await r2k(machine, [...words, ...more, "--config", configOf(machine)]);
  }
  for (const { name } of nodes) await printed(kubectl, readyOf(name), (is) => is === "True");
}

/** A web server behind a Service, and pods on each worker that ask for it by its name. */
async function deploy(): Promise<void> {
  const meta = (name: string) => ({ name, labels: { app: name } });
  const container = (name: string, script: string, ...args: string[]) => ({
    name,
    image: IMAGE,
    command: [NODE, "-e", script, ...args],
  });
  const web = {
    ...container("web", SERVE),
    readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
    lifecycle: { preStop: { sleep: { seconds: 5 } } },
  };
  const selector = (app: string) => ({ matchLabels: { app } });
  const items = [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: meta("web"),
      spec: {
        replicas: 2,
        selector: selector("web"),
        template: { metadata: meta("web"), spec: { containers: [web] } },
      },
    },
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: meta("web"),
      spec: { minAvailable: 1, selector: selector("web") },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: meta("web"),
      spec: {
        type: "NodePort",
        selector: { app: "web" },
        ports: [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }],
      },
    },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: meta("asking"),
      spec: {
        selector: selector("asking"),
        template: {
          metadata: meta("asking"),
          spec: {
            containers: [container("asking", ASKING, "http://web.default.svc.cluster.local")],
          },
        },
      },
    },
  ];
  // The asking pods count from their start on: the server is there before.
  const asking = items.pop()!;
  for (const some of [items, [asking]]) {
    const list = { apiVersion: "v1", kind: "List", items: some };
    await mustKubectl(["create", "-f", "-"], JSON.stringify(list));
    const { kind, metadata } = some.find(({ apiVersion }) => apiVersion === "apps/v1")!;
    const workload = `${kind}/${metadata.name}`.toLowerCase();
    await mustKubectl(["rollout", "status", workload, "--timeout=150s"]);
  }
  // Both pods of DNS are still on the first machine: docs/OPERATIONS.md.
  const dns = ["-n", "kube-system", "deployment/coredns"];
  await mustKubectl(["rollout", "restart", ...dns]);
  await mustKubectl(["rollout", "status", ...dns, "--timeout=150s"]);
}

/** Clients outside of the cluster, on the balancer's machine. */
class Clients {
  readonly attempts: Attempt[] = [];
  seen: Seen | undefined;
  asked = "";
  readonly kubectlFailures: string[] = [];
  kubectlCalls = 0;
  readonly #api: ChildProcess;
  readonly #asking: ChildProcess;
  readonly #kubectl: Promise<void>;
  #ending = false;

  constructor(kubeconfig: string) {
    const program = join(import.meta.dirname, "chaos/machines/client.ts");
    const node = ["--disable-warning=ExperimentalWarning"];
    this.#api = balancer.host.start(process.execPath, [...node, program, kubeconfig]);
    createInterface({ input: this.#api.stdout! }).on("line", (line) => {
      const read = JSON.parse(line) as Attempt | Seen;
      if ("objects" in read) this.seen = read;
      else this.attempts.push(read);
    });
    const ports = nodes.map(({ address }) => `http://${address}:${NODE_PORT}`);
    this.#asking = balancer.host.start(process.execPath, ["-e", ASKING, ...ports]);
    this.#asking.stdout!.on("data", (data: Buffer) => (this.asked += String(data)));
    for (const child of [this.#api, this.#asking]) {
      child.stderr!.on("data", (data: Buffer) => process.stderr.write(data));
    }
    this.#kubectl = this.#askByKubectl(kubeconfig);
  }

  async #askByKubectl(kubeconfig: string): Promise<void> {
    while (!this.#ending) {
      const args = ["--kubeconfig", kubeconfig, "get", "nodes", "-o", "name"];
      const { code, stderr } = await balancer.host.run("kubectl", args);
      this.kubectlCalls++;
      if (code !== 0) this.kubectlFailures.push(`${new Date().toISOString()} ${stderr}`);
      await delay(systemClock(), KUBECTL_PAUSE_MS);
    }
  }

  /** Waits until the API's clients are answered. */
  async answered(): Promise<void> {
    const some = () => this.attempts.length > 20 || undefined;
    await waitFor("answers", some);
  }

  async end(): Promise<void> {
    this.#ending = true;
    await this.#kubectl;
    const ended = [this.#api, this.#asking].map((child) => once(child, "close"));
    this.#api.stdin!.write("end\n");
    this.#asking.stdin!.write("end\n");
    await Promise.all(ended);
  }
}

async function upgrade(machine: Machine, command: "apply" | "node"): Promise<void> {
  await mustKubectl(["drain", machine.name, "--ignore-daemonsets", "--timeout=180s"]);
  await r2k(machine, ["upgrade", command]);
  await mustKubectl(["uncordon", machine.name]);
  await mustKubectl(["rollout", "status", "deployment/web", "--timeout=150s"]);
}

beforeAll(async () => {
  if (!ASKED) return;
  machines = await Machines.create();
  balancer = await machines.add("balancer");
  nodes = [];
  for (const name of [...CONTROL_PLANES, ...WORKERS]) nodes.push(await machines.add(name));
  startBalancer();
  await bringUp();
  await deploy();
}, TIMEOUT_MS);

afterAll(async () => {
  for (const machine of nodes?.toReversed() ?? []) await machine.host.r2k(["reset", "--force"]);
  await machines?.close();
}, TIMEOUT_MS);

describe.runIf(ASKED)("a rolling upgrade of five machines", { timeout: TIMEOUT_MS }, () => {
  it("fails no request, of the API or of a workload", async () => {
    const kubeconfig = join(machines.dir, "admin.conf");
    writeFileSync(kubeconfig, await must(first().host, `cat ${ADMIN}`));
    const clients = new Clients(kubeconfig);
    await clients.answered();
    const next = otherBuild(join(machines.dir, "next"));
    for (const { host } of nodes) host.program = next;
    for (const machine of nodes) await upgrade(machine, machine === first() ? "apply" : "node");
    // Now every node has the images of proxy and DNS.
    await r2k(first(), ["upgrade", "apply"]);
    for (const each of ["daemonset/kube-proxy", "deployment/coredns"]) {
      await mustKubectl(["rollout", "status", "-n", "kube-system", each, "--timeout=240s"]);
    }
    const path = "jsonpath={range .items[*]}{.spec.containers[0].image}{'\\n'}{end}";
    const old = async () => {
      const images = await mustKubectl(["get", "pods", "-n", "kube-system", "-o", path]);
      return images.split("\n").filter((image) => image !== "" && !image.includes("_r2k."));
    };
    // Former pods of DNS go on to answer for a while.
    await expect.poll(old, { timeout: 60_000 }).toEqual([]);
    await clients.end();
    const logs = (await mustKubectl(["get", "pods", "-l", "app=asking", "-o", "name"])).trim();
    const outputs = await Promise.all(logs.split("\n").map((pod) => mustKubectl(["logs", pod])));
    const inside = countsOf(outputs);
    const outside = countsOf([clients.asked]);
    const failures = {
      api: clients.attempts.map(({ failure }) => failure).filter((each) => each !== undefined),
      kubectl: clients.kubectlFailures,
      inside: inside.failures,
      outside: outside.failures,
      missed: clients.seen?.missedByInformer,
    };
    console.log(
      JSON.stringify({
        api: clients.attempts.length,
        kubectl: clients.kubectlCalls,
        inside: inside.answered,
        outside: outside.answered,
        slowest_ms: Math.max(...clients.attempts.map((a) => a.took_ms)),
      }),
    );
    expect(failures).toEqual({ api: [], kubectl: [], inside: [], outside: [], missed: [] });
    checkHistory(clients.attempts);
  });
});
