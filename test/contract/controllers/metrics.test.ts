import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import type { TokenRequest } from "@raft2kube/api/gen/authentication/v1.ts";
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  JOBS,
  SERVICE_ACCOUNTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { RunningControllers } from "@raft2kube/controllers/main.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { metricsIn } from "../apiserver/metrics/metric-table.ts";
import { type ControlPlane, startControlPlane, startOurControllers } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

const TIMEOUT_MS = 90_000;
const DIVERGENCE = join(import.meta.dirname, "../../../docs/DIVERGENCE.md");
/** `name type labels`, in upstream's list of the metrics of kube-controller-manager 1.36. */
const RECORDED = join(import.meta.dirname, "recorded/metrics.txt");

let plane: ControlPlane;
let kubelet: HollowKubelet;
let controllers: RunningControllers;

beforeAll(async () => {
  plane = await startControlPlane({
    async startOthers({ connection, ca }) {
      controllers = await startOurControllers(connection, ca, {
        serve: { host: "127.0.0.1", port: 0, clientCa: ca.cert },
        leaderElect: true,
      });
      return controllers;
    },
  });
  // Its pods are on it from the start: there is no scheduler.
  kubelet = await startHollowKubelet(plane, "n1", { exitCode: () => 0 });
});
afterAll(async () => {
  await kubelet?.close();
  await plane?.close();
});

type Credentials = { cert?: string | undefined; key?: string | undefined; token?: string };

function get(path: string, { cert, key, token }: Credentials = {}): Promise<[number, string]> {
  const { host, port } = controllers.served!;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const options = { host, port, path, cert, key, headers, rejectUnauthorized: false };
    const sent = request(options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => (body += part));
      response.on("error", reject).on("end", () => resolve([response.statusCode ?? 0, body]));
    });
    sent.on("error", reject).end();
  });
}

const scrape = async (): Promise<string> => {
  const { cert, key } = await plane.connection("prometheus", ["system:masters"]);
  const [status, body] = await get("/metrics", { cert, key });
  expect(status).toBe(200);
  return body;
};

describe("the controllers' server", () => {
  it.each(["/healthz", "/livez", "/readyz"])("%s needs no credentials", async (path) => {
    expect(await get(path)).toEqual([200, "ok"]);
  });

  it("health has a check for each controller that runs", async () => {
    const { cert, key } = await plane.connection("prometheus", ["system:masters"]);
    await waitFor(
      "the election",
      async () => (await get("/healthz/job-controller", { cert, key }))[0] === 200,
    );
    expect((await get("/healthz/job-controller"))[0]).toBe(401);
    const [status, body] = await get("/healthz?verbose");
    expect(status).toBe(200);
    expect(body).toMatch(/^\[\+\]leaderElection ok\n/);
    expect(body).toContain("[+]garbage-collector-controller ok\n");
    expect(body).toMatch(/healthz check passed\n$/);
    expect((await get("/healthz?verbose&exclude=job-controller"))[1]).toContain(
      "[+]job-controller excluded: ok\n",
    );
    expect((await get("/healthz/no-controller", { cert, key }))[0]).toBe(404);
  });

  it("metrics are not: a user that the API lets get them", async () => {
    expect((await get("/metrics"))[0]).toBe(401);
    expect((await get("/metrics", { token: "nonsense" }))[0]).toBe(401);
    const { cert, key } = await plane.connection("somebody");
    expect((await get("/metrics", { cert, key }))[0]).toBe(403);
    const account = { namespace: "default", name: "prometheus" };
    await plane.admin.resource(SERVICE_ACCOUNTS).create({ metadata: account });
    await plane.admin
      .resource(CLUSTER_ROLES)
      .create({
        metadata: { name: "scrape" },
        rules: [{ verbs: ["get"], nonResourceURLs: ["/metrics"] }],
      });
    await plane.admin
      .resource(CLUSTER_ROLE_BINDINGS)
      .create({
        metadata: { name: "scrape" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "scrape" },
        subjects: [{ kind: "ServiceAccount", ...account }],
      });
    const { status } = await plane.admin
      .resource(SERVICE_ACCOUNTS)
      .createSubresource<TokenRequest>(account, "token", {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {},
      });
    expect((await get("/metrics", { token: status!.token }))[0]).toBe(200);
    expect((await get("/flagz", { token: status!.token }))[0]).toBe(403);
  });
});

const template = (app: string) => ({
  metadata: { labels: { app } },
  spec: {
    nodeName: "n1",
    restartPolicy: "Never" as const,
    containers: [{ name: "c", image: "c:1" }],
  },
});

describe("metrics of the controllers", () => {
  it("are upstream's, by name, type and labels, but for those named as absent", async () => {
    const jobs = plane.admin.resource(JOBS);
    await jobs.create({
      metadata: { namespace: "default", name: "one" },
      spec: { completions: 2, template: template("web") },
    });
    let text = "";
    await waitFor(
      "the job's end in the metrics",
      async () => {
        text = await scrape();
        return /^job_controller_jobs_finished_total\{.*CompletionsReached"\} 1$/m.test(text);
      },
      { timeout_ms: TIMEOUT_MS / 2 },
    );
    expect(text).toMatch(
      /^job_controller_job_pods_finished_total\{.*"NonIndexed",.*"succeeded"\} 2$/m,
    );
    expect(text).toMatch(/^workqueue_adds_total\{name="job"\} [1-9]/m);
    expect(text).toMatch(/^workqueue_work_duration_seconds_count\{name="job"\} [1-9]/m);
    expect(text).toMatch(/^rest_client_requests_total\{code="201",.*method="POST"\} [1-9]/m);
    expect(text).toMatch(/^leader_election_master_status\{name="kube-controller-manager"\} 1$/m);
    expect(text).toMatch(/^running_managed_controllers\{.*name="job-controller"\} 1$/m);
    expect(text).toMatch(/^node_collector_zone_size\{zone=""\} 1$/m);
    expect(differences(text)).toEqual([]);
  });
});

function differences(text: string): string[] {
  const own = metricsIn(text);
  const [, section = ""] = readFileSync(DIVERGENCE, "utf8").split(
    "## Metrics of `r2k controllers`\n",
  );
  const cells = [...section.split("\n## ")[0]!.matchAll(/^\| (`[^|]+`) \|/gm)];
  const absent = cells.flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`(\S+?)`/g)].map((match) => match[1]!),
  );
  const isAbsent = (name: string) =>
    absent.some((pattern) =>
      pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
    );
  return readFileSync(RECORDED, "utf8")
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [name = "", type = "", labels = ""] = line.split(" ");
      const metric = own.get(name);
      if (!metric) return isAbsent(name) ? [] : [`${name} is not there`];
      if (isAbsent(name)) return [`${name} is there, and named as absent`];
      if (metric.type !== type) return [`${name} is a ${metric.type}, upstream's a ${type}`];
      if (metric.labels === undefined || metric.labels === labels) return [];
      return [`${name} has the labels ${metric.labels}, upstream's ${labels}`];
    });
}
