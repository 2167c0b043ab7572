import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { type Credentials, makeCredentials } from "./apiserver/credentials.ts";
import { type Running, sides } from "./apiserver/sides.ts";
import type { Row } from "./benchmark.ts";
import { agentOf, type Files, type TenantsOptions } from "./fairness/agent.ts";

const CONNECTIONS = 500;
const MAPS = 500;
const MAP_BYTES = 2_000;
const QUIET_MS = 5_000;
const LOUD_MS = 15_000;
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

interface Measured {
  readonly quiet_p99: number;
  readonly loud_p99: number;
  readonly lease_max: number;
  /** Lists that the loud tenant got: none if its thread had no processor. */
  readonly lists: number;
  readonly failures: number;
}

/** Measures others' requests and renewals of a lease while one tenant takes what it can. */
export async function fairness(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  try {
    const credentials = await makeCredentials(join(dir, "pki"));
    const [ours, theirs] = sides();
    const results: Measured[] = [];
    for (const [at, side] of [ours, theirs].entries()) {
      const folder = join(dir, `${at}`);
      mkdirSync(folder);
      const running = await side.start(folder, credentials);
      try {
        results.push(await measure(running, credentials));
      } finally {
        await running.close();
      }
    }
    const [own, other] = results as [Measured, Measured];
    const row = (what: string, key: keyof Measured, unit = "ms", goal?: string): Row => ({
      what,
      unit,
      ours: own[key],
      peer: { name: theirs.name, value: other[key] },
      ...(goal ? { goal } : {}),
    });
    return [
      row("others' gets, no load, p99", "quiet_p99"),
      row("others' gets, 500 connections that list all, p99", "loud_p99", "ms", "<= 1x"),
      {
        what: "the same, to ours without load (no peer)",
        unit: "times",
        ours: own.loud_p99 / own.quiet_p99,
        goal: "<= 2",
      },
      row("the longest renewal of a node's lease meanwhile", "lease_max", "ms", "< 10,000 ms"),
      row("requests of others and of the node that failed", "failures", "requests", "0"),
      row("lists that the tenant of 500 connections got meanwhile", "lists", "lists"),
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measure(running: Running, credentials: Credentials): Promise<Measured> {
  const agents: Agent[] = [];
  const clientOf = (files: Files): Send => {
    const agent = agentOf(credentials.ca, files);
    agents.push(agent);
    return (method, path, body) => timed(agent, `${running.server}${path}`, method, body);
  };
  await prepare(clientOf(credentials.admin));
  const modest = clientOf(await credentials.client("modest", "tenants"));
  const node = clientOf(await credentials.client("system:node:n1", "system:nodes"));
  const quiet = await load(modest, node, QUIET_MS);
  const tenants = {
    greedy: await credentials.client("greedy", "tenants"),
    unread: await credentials.client("unread", "tenants"),
    endless: await credentials.client("endless", "tenants"),
  };
  const workerData: TenantsOptions = {
    server: running.server,
    ca: credentials.ca,
    tenants,
    connections: CONNECTIONS,
  };
  const tenant = new Worker(new URL("fairness/tenant.ts", import.meta.url), { workerData });
  let lists = 0;
  tenant.on("message", (seen: { lists: number }) => {
    lists = seen.lists;
    process.stderr.write(`\r${JSON.stringify(seen)}  `);
  });
  try {
    const loud = await load(modest, node, LOUD_MS);
    return {
      quiet_p99: p99(quiet.gets),
      loud_p99: p99(loud.gets),
      lease_max: Math.max(...loud.renewals),
      failures: loud.failures,
      lists,
    };
  } finally {
    await tenant.terminate();
    for (const agent of agents) agent.destroy();
  }
}

type Send = (
  method: string,
  path: string,
  body?: object,
) => Promise<{ status: number; took_ms: number }>;

async function prepare(send: Send): Promise<void> {
  const apiGroup = "rbac.authorization.k8s.io";
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }];
  await send("POST", `${RBAC}/clusterroles`, { metadata: { name: "t" }, rules });
  await send("POST", `${RBAC}/clusterrolebindings`, {
    metadata: { name: "t" },
    roleRef: { apiGroup, kind: "ClusterRole", name: "t" },
    subjects: [{ apiGroup, kind: "Group", name: "tenants" }],
  });
  await send("POST", "/api/v1/namespaces", { metadata: { name: "kube-node-lease" } });
  await send("POST", LEASES, { metadata: { name: "n1" } });
  const data = { x: "x".repeat(MAP_BYTES) };
  for (let n = 0; n < MAPS; n++) {
    const body = { metadata: { name: `m${n}` }, data };
    await send("POST", "/api/v1/namespaces/default/configmaps", body);
  }
}

/** Gets of another tenant, one after the other on 4 connections, and a renewal each second. */
async function load(modest: Send, node: Send, for_ms: number) {
  const end_ms = performance.now() + for_ms;
  const [gets, renewals]: [number[], number[]] = [[], []];
  let failures = 0;
  const repeat = async (into: number[], pause_ms: number, act: () => ReturnType<Send>) => {
    while (performance.now() < end_ms) {
      const { status, took_ms } = await act();
      into.push(took_ms);
      if (status !== 200) failures++;
      await new Promise((resolve) => setTimeout(resolve, pause_ms));
    }
  };
  const get = () => modest("GET", "/api/v1/namespaces/default/configmaps/m1");
  const renew = () =>
    node("PATCH", `${LEASES}/n1`, { spec: { holderIdentity: `${performance.now()}` } });
  await Promise.all([
    ...[1, 2, 3, 4].map(() => repeat(gets, 10, get)),
    repeat(renewals, 1_000, renew),
  ]);
  return { gets, renewals, failures };
}

function timed(
  agent: Agent,
  url: string,
  method: string,
  body?: object,
): Promise<{ status: number; took_ms: number }> {
  const from_ms = performance.now();
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const headers = { "content-type": type };
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers }, (response) => {
      response
        .resume()
        .on("end", () =>
          resolve({ status: response.statusCode ?? 0, took_ms: performance.now() - from_ms }),
        );
    });
    sent.on("error", reject).end(body && JSON.stringify(body));
  });
}

const p99 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN;
