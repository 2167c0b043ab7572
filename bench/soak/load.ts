import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { watchStream } from "@raft2kube/client-kube/rest/watch.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { manifests } from "./objects.ts";

const run = promisify(execFile);
const clock = systemClock();
/** Namespaces that live at a time. */
const ROUNDS_AT_A_TIME = 3;
const UPDATES = 40;
const ROUND_TIMEOUT_MS = 180_000;
const TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1";

export type LoadTarget = { readonly client: KubeClient; readonly kubeconfig: string };

/** A mixed load that runs until it is stopped. */
export class Load {
  readonly #target: LoadTarget;
  readonly #failures: string[] = [];
  #rounds = 0;

  constructor(target: LoadTarget) {
    this.#target = target;
  }

  get rounds(): number {
    return this.#rounds;
  }

  /** Failures of the load: a soak with failures measured something else. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Runs rounds side by side until `end_ms` of the monotonic clock; the last ones to their end. */
  async run(end_ms: number): Promise<void> {
    const loops = Array.from({ length: ROUNDS_AT_A_TIME }, async () => {
      while (clock.monotonic() < end_ms) {
        const name = `soak-${this.#rounds++}`;
        try {
          await round(this.#target, name);
        } catch (thrown) {
          this.#failures.push(`${name}: ${messageOf(thrown)}`);
        }
      }
    });
    await Promise.all(loops);
  }
}

/** Creates one object of each kind, uses them as people and controllers do, and deletes them. */
async function round(target: LoadTarget, namespace: string): Promise<void> {
  const { client } = target;
  await client.request({
    method: "POST",
    path: "/api/v1/namespaces",
    body: { metadata: { name: namespace } },
  });
  const watches = await watchEverything(client, namespace);
  try {
    const objects = manifests(namespace);
    for (const { path, object } of objects) await post(client, path, object);
    await update(client, namespace);
    await waitForWorkloads(client, namespace);
    for (const { path } of objects) await client.request({ method: "GET", path, accept: TABLE });
    await useByKubectl(target, namespace);
    await roll(client, namespace);
  } finally {
    const path = `/api/v1/namespaces/${namespace}`;
    await client.request({ method: "DELETE", path });
    await until(`${namespace} to be gone`, () => isGone(client, path));
    watches.abort();
  }
}

/**
 * Repeats a POST until it succeeds: a pod is refused while the namespace has no service account.
 */
async function post(client: KubeClient, path: string, body: object): Promise<void> {
  await until(`POST ${path}`, async () => {
    await client.request({ method: "POST", path, body });
    return true;
  });
}

/** Watches of the most frequently changed kinds, read without delay. */
async function watchEverything(client: KubeClient, namespace: string): Promise<AbortController> {
  const end = new AbortController();
  const read = async (path: string) => {
    for await (const _event of watchStream(client, { path, signal: end.signal }));
  };
  for (const plural of ["pods", "configmaps", "events", "services"]) {
    const path = `/api/v1/namespaces/${namespace}/${plural}?watch=1`;
    void read(path).catch((thrown: unknown) => {
      if (!end.signal.aborted) process.stderr.write(`watch ${path}: ${messageOf(thrown)}\n`);
    });
  }
  return end;
}

async function update(client: KubeClient, namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/configmaps/settings`;
  for (let i = 0; i < UPDATES; i++) {
    await patch(client, path, { data: { count: String(i), text: "x".repeat(500 + 50 * i) } });
    if (i % 10 === 0) await client.request({ method: "GET", path: "/api/v1/pods?limit=100" });
  }
}

async function patch(client: KubeClient, path: string, body: object): Promise<void> {
  const contentType = "application/merge-patch+json";
  await client.request({ method: "PATCH", path, body, contentType });
}

interface Workload {
  readonly spec?: { readonly replicas?: number };
  readonly metadata: { readonly generation?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly replicas?: number;
    readonly phase?: string;
  };
}

async function waitForWorkloads(client: KubeClient, namespace: string): Promise<void> {
  await rolledOut(client, namespace);
  const within = `namespaces/${namespace}`;
  const ends: [path: string, done: (found: Workload) => boolean][] = [
    [`/api/v1/${within}/pods/task`, (pod) => pod.status?.phase === "Succeeded"],
    [`/api/v1/${within}/pods/reader`, (pod) => pod.status?.phase === "Running"],
  ];
  for (const [path, done] of ends) {
    await until(path, async () => done(await client.request<Workload>({ method: "GET", path })));
  }
}

async function rolledOut(client: KubeClient, namespace: string): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/web`;
  await until(path, async () => {
    const web = await client.request<Workload>({ method: "GET", path });
    const { observedGeneration, updatedReplicas, availableReplicas, replicas } = web.status ?? {};
    const wanted = web.spec?.replicas;
    return (
      observedGeneration === web.metadata.generation &&
      updatedReplicas === wanted &&
      availableReplicas === wanted &&
      replicas === wanted
    );
  });
}

/** exec, logs, discovery and port-forward, by the real client. */
async function useByKubectl({ kubeconfig }: LoadTarget, namespace: string): Promise<void> {
  const env = { ...process.env, KUBECONFIG: kubeconfig, NODE_OPTIONS: "" };
  const kubectl = async (...args: string[]) => {
    const { stdout } = await run("kubectl", ["-n", namespace, ...args], { env });
    return stdout;
  };
  const said = await kubectl("exec", "deploy/web", "--", "echo", "hello");
  if (said.trim() !== "hello") throw new Error(`exec said ${JSON.stringify(said)}`);
  const logged = await kubectl("logs", "deploy/web");
  if (!logged.includes("started")) throw new Error(`logs said ${JSON.stringify(logged)}`);
  await kubectl("get", "all,cm,secrets,pvc,netpol,pdb,hpa,events");
  const args = ["-n", namespace, "port-forward", "svc/web", ":80"];
  const forward = spawn("kubectl", args, { env, stdio: ["ignore", "pipe", "ignore"] });
  try {
    const response = await fetch(`http://127.0.0.1:${await forwardedPort(forward)}/`);
    await response.text();
  } finally {
    forward.kill();
    if (forward.exitCode === null && forward.signalCode === null) await once(forward, "exit");
  }
}

/** Reads the forwarded port from kubectl's output, to the end: a closed pipe would end kubectl. */
function forwardedPort(forward: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    forward.stdout!.setEncoding("utf8").on("data", (text: string) => {
      const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve(port);
    });
    forward.once("error", reject);
    forward.once("exit", () => reject(new Error("kubectl port-forward ended by itself")));
  });
}

/** A new revision of the deployment, and one pod more. */
async function roll(client: KubeClient, namespace: string): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/web`;
  const metadata = { annotations: { restarted: "yes" } };
  await patch(client, path, { spec: { replicas: 3, template: { metadata } } });
  await rolledOut(client, namespace);
}

async function isGone(client: KubeClient, path: string): Promise<boolean> {
  try {
    await client.request({ method: "GET", path });
    return false;
  } catch (thrown) {
    if (isNotFound(thrown)) return true;
    throw thrown;
  }
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  await waitFor(what, done, { clock, timeout_ms: ROUND_TIMEOUT_MS, interval_ms: 500 });
}
