import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { median, type Row } from "./benchmark.ts";

const ROOT = join(import.meta.dirname, "..");
const NAME = "bench-net";
const KUBECONFIG = `/var/lib/r2k/${NAME}/admin.conf`;
const HOST = "web.bench";
/** Rounds; each measures every way once, so that a busy machine is so for all. */
const ROUNDS = 7;
const WRK = ["-t1", "-c16", "-d2s", "--latency", "-H", `Host: ${HOST}`];
/** The client's command line, by which its network namespace is found. */
const SLEEP = "86413";
const POLICIES = 100;

/** Requests each second and the time of 99 %. */
type Measure = { readonly rate: number; readonly p99_ms: number };

/**
 * A pod's requests to a Service beside those to its endpoint, and to an Ingress beside those to a
 * haproxy whose configuration does the same by hand, and to one that passes all on; the same with
 * NetworkPolicies, and 1,000 policies. Needs wrk. Argument: `policies` for the last part alone.
 */
export async function network(args: readonly string[]): Promise<Row[]> {
  const { policies } = await import("./network/policies.ts");
  return args.includes("policies") ? await policies() : [...requests(), ...(await policies())];
}

function requests(): Row[] {
  run(join(ROOT, "r2k"), "start", "--name", NAME, "--no-demo", "--ingress");
  try {
    return measure();
  } finally {
    run(join(ROOT, "r2k"), "down", "--purge", "--name", NAME);
  }
}

function measure(): Row[] {
  apply(serverOf("web", "  http-request return status 200 content-type text/plain string ok"));
  const web = podAddress("web");
  apply(serverOf("alone", `  default_backend b\nbackend b\n  server s ${web}:8080`));
  apply(serverOf("by-hand", byHand(web)));
  apply(REST);
  kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s");
  const address = (namespace: string, service: string) =>
    kubectl("get", "service", "-n", namespace, service, "-o", "jsonpath={.spec.clusterIP}");
  const ways = {
    pod: `http://${web}:8080/`,
    service: `http://${address("default", "web")}/`,
    alone: `http://${podAddress("alone")}:8080/`,
    byHand: `http://${podAddress("by-hand")}:8080/`,
    ingress: `http://${address("ingress", "ingress")}/`,
  };
  const plain = rounds(ways);
  apply(Array.from({ length: POLICIES }, (_, index) => policyOf(index)).join("---\n"));
  const policed = rounds(ways);
  const peerOf = { service: "the pod itself", ingress: "haproxy by hand" };
  const by = { service: "pod", ingress: "byHand" } as const;
  const goal = ">= 0.95 x";
  const row = (what: string, unit: string, ours: number, name: string, value: number) => ({
    what,
    unit,
    ours,
    peer: { name, value },
  });
  const rows = (["service", "ingress"] as const).flatMap((way): Row[] => {
    const [ours, peer, with_] = [plain[way], plain[by[way]], policed[way]];
    const [name, none] = [peerOf[way], "without policies"];
    const policies = `with ${POLICIES} policies`;
    return [
      { ...row(`pod to ${way}`, "requests/s", ours.rate, name, peer.rate), goal },
      row(`pod to ${way}, p99`, "ms", ours.p99_ms, name, peer.p99_ms),
      { ...row(`pod to ${way}, ${policies}`, "requests/s", with_.rate, none, ours.rate), goal },
      row(`pod to ${way}, p99, ${policies}`, "ms", with_.p99_ms, none, ours.p99_ms),
    ];
  });
  const shortest = "haproxy that passes all on";
  rows.push(row("pod to ingress", "requests/s", plain.ingress.rate, shortest, plain.alone.rate));
  return rows;
}

function rounds<K extends string>(ways: Readonly<Record<K, string>>): Record<K, Measure> {
  const all = new Map<K, Measure[]>();
  const pid = clientPid();
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of Object.keys(ways) as K[]) {
      const output = run("nsenter", "-t", pid, "-n", "wrk", ...WRK, ways[way]);
      all.set(way, [...(all.get(way) ?? []), measured(output)]);
    }
  }
  return Object.fromEntries(
    [...all].map(([way, some]) => [
      way,
      {
        rate: median(some.map(({ rate }) => rate)),
        p99_ms: median(some.map(({ p99_ms }) => p99_ms)),
      },
    ]),
  ) as Record<K, Measure>;
}

function measured(output: string): Measure {
  const [, time = "", unit = ""] = /99%\s+([\d.]+)(us|ms|s)/.exec(output) ?? [];
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]);
  const scale = unit === "us" ? 0.001 : unit === "s" ? 1_000 : 1;
  if (!(rate > 0) || /Non-2xx|Socket errors/.test(output)) throw new Error(output);
  return { rate, p99_ms: Number(time) * scale };
}

function clientPid(): string {
  const isClient = (pid: string) =>
    /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(SLEEP);
  const found = readdirSync("/proc").find((pid) => {
    try {
      return isClient(pid);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
      return false; // it ended meanwhile
    }
  });
  if (found === undefined) throw new Error("the client's pod has no process");
  return found;
}

function podAddress(name: string): string {
  kubectl("wait", `pod/${name}`, "--for=condition=Ready", "--timeout=60s");
  return kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}");
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, KUBECONFIG },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

const kubectl = (...args: readonly string[]) => run("kubectl", ...args).trim();

function apply(manifest: string): void {
  const env = { ...process.env, KUBECONFIG };
  execFileSync("kubectl", ["apply", "-f", "-"], { input: manifest, env });
}

/** Lines that one writes by hand for the Ingress: host, path, the headers about the client. */
const byHand = (address: string) => `  acl host hdr(host),field(1,:),lower -m str ${HOST}
  acl path path_beg /
  http-request del-header forwarded
  http-request set-header x-forwarded-for %[src]
  http-request set-header x-forwarded-host %[req.hdr(host)]
  http-request set-header x-forwarded-proto http
  use_backend b if host path
backend b
  server s ${address}:8080`;

/** A pod with a haproxy that has one frontend. */
function serverOf(name: string, lines: string): string {
  const path = "jsonpath={.spec.template.spec.containers[0].image}";
  const image = kubectl("get", "deployment", "ingress", "-n", "ingress", "-o", path);
  const config = `defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 3s
frontend f
  bind :8080
${lines}
`;
  const volume = { name: "config", configMap: { name } };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { "haproxy.cfg": config } },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, labels: { app: name } },
        spec: {
          volumes: [volume],
          containers: [
            {
              name: "haproxy",
              image,
              command: ["/usr/sbin/haproxy", "-f", "/config/haproxy.cfg"],
              volumeMounts: [{ name: "config", mountPath: "/config" }],
              readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
              // As the ingress controller's: otherwise the node's other work takes their time.
              resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "512Mi" } },
            },
          ],
        },
      },
    ],
  });
}

const REST = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web }
spec:
  rules:
    - host: ${HOST}
      http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }
---
apiVersion: v1
kind: Pod
metadata: { name: client, labels: { app: client } }
spec:
  containers: [{ name: sleep, image: "r2k.local/busybox:1", command: [sleep, "${SLEEP}"] }]
`;

const policyOf = (index: number) => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: p${index} }
spec:
  podSelector: {}
  ingress:
    - from: [{ namespaceSelector: {} }]
      ports: [{ port: ${index === 0 ? 8080 : 20_000 + index} }]
`;
