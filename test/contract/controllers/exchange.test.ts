import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CLUSTER_ROLES,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  NODES,
  PODS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { aggregatedRules } from "@raft2kube/controllers/clusterroleaggregation/plan.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startUpstream } from "../../../testing/apiserver/upstream-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { type ControlPlane, startControlPlane, startOurManagers } from "./control-plane.ts";
import { cronRules } from "./cron-rules.ts";
import { daemonRules } from "./daemon-rules.ts";
import { disruptionRules } from "./disruption-rules.ts";
import { ephemeralRules } from "./ephemeral-rules.ts";
import { hintRules } from "./hint-rules.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { jobRules } from "./job-rules.ts";
import { rangeRules } from "./range-rules.ts";
import { replicationRules } from "./replication-rules.ts";
import { statefulRules } from "./stateful-rules.ts";
import { tokenRules } from "./token-rules.ts";
import {
  hasUpstreamManagers,
  startUpstreamManagers,
  upstreamControllers,
} from "./upstream-managers.ts";

/** Programs of another language start, list everything and elect a leader first. */
const TIMEOUT_MS = 180_000;
const APISERVER = join(import.meta.dirname, "../../../.peers/bin/kube-apiserver");

type Exchange = Pick<ControlPlane, "clock" | "admin" | "connection" | "close">;

/** Our controllers and scheduler on upstream's kube-apiserver. */
async function startOnUpstream(): Promise<Exchange> {
  const clock = systemClock();
  const dir = await mkdtemp(join(tmpdir(), "r2k-exchange-"));
  const ca = await createCa({ commonName: "kubernetes", days: 2, now_ms: clock.now() });
  const issue = (commonName: string, organizations: string[], usage: "client" | "server") => {
    const request = { commonName, organizations, usages: [usage], ipAddresses: ["127.0.0.1"] };
    return issueCertificate(ca, { ...request, days: 1 }, clock.now());
  };
  const serving = await issue("kube-apiserver", [], "server");
  const file = async (name: string, text: string) => {
    await writeFile(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const upstream = await startUpstream(APISERVER, {
    "client-ca-file": await file("ca.crt", ca.cert),
    "tls-cert-file": await file("server.crt", serving.cert),
    "tls-private-key-file": await file("server.key", serving.key),
    "authorization-mode": "Node,RBAC",
  });
  const connection: ControlPlane["connection"] = async (commonName, organizations = []) => {
    const pair = await issue(commonName, organizations, "client");
    return { server: `https://127.0.0.1:${upstream.port}`, ca: ca.cert, ...pair };
  };
  const masters = await connection("admin", ["system:masters"]);
  const admin = new KubeClient({ ...masters, clock, qps: 1_000, burst: 1_000 });
  const managers = await startOurManagers(connection, ca);
  return {
    clock,
    admin,
    connection,
    async close() {
      admin.close();
      await managers.close();
      await upstream.close();
      await rm(dir, { recursive: true });
    },
  };
}

const namespace = "default";
const labels = { app: "web" };
const template = (image: string) => ({
  metadata: { labels },
  spec: { containers: [{ name: "web", image }] },
});

const EXCHANGES = {
  "our controllers and scheduler on kube-apiserver 1.36": {
    possible: existsSync(APISERVER),
    start: startOnUpstream,
  },
  "kube-controller-manager and kube-scheduler 1.36 on our apiserver": {
    possible: hasUpstreamManagers(),
    start: () => startControlPlane({ startOthers: (others) => startUpstreamManagers(others) }),
  },
};

it.skipIf(!hasUpstreamManagers())("upstream's controllers are those recorded", () => {
  const recorded = join(import.meta.dirname, "recorded/names.txt");
  expect(upstreamControllers()).toBe(readFileSync(recorded, "utf8"));
});

for (const [name, { possible, start }] of Object.entries(EXCHANGES)) {
  describe.skipIf(!possible)(name, () => {
    let plane: Exchange;
    let kubelets: HollowKubelet[] = [];

    beforeAll(async () => {
      plane = await start();
      kubelets = await Promise.all(["n1", "n2"].map((each) => startHollowKubelet(plane, each)));
      // Pods go to both nodes only when both are open to them.
      await until("nodes without taints", async () => {
        const { items } = await plane.admin.resource(NODES).list();
        return items.filter(({ spec }) => !spec.taints?.length).length === kubelets.length;
      });
    });
    afterAll(async () => {
      await Promise.all(kubelets.map((each) => each.close()));
      await plane.close();
    });

    const until = (what: string, holds: () => Promise<boolean>) =>
      waitFor(what, holds, { timeout_ms: TIMEOUT_MS / 2 });
    const pods = async () => {
      const { items } = await plane.admin.resource(PODS).list({ namespace });
      return items;
    };

    it("the demo's Deployment and Service: scheduled, ready, published", async () => {
      await plane.admin
        .resource(SERVICES)
        .create({
          metadata: { namespace, name: "web" },
          spec: { selector: labels, ports: [{ port: 80 }] },
        });
      await plane.admin
        .resource(DEPLOYMENTS)
        .create({
          metadata: { namespace, name: "web" },
          spec: { replicas: 3, selector: { matchLabels: labels }, template: template("web:1") },
        });
      const deployments = plane.admin.resource(DEPLOYMENTS);
      await until("three available", async () => {
        const { status } = await deployments.get({ namespace, name: "web" });
        return status?.availableReplicas === 3;
      });
      const slices = plane.admin.resource(ENDPOINT_SLICES);
      await until("three endpoints", async () => {
        const { items } = await slices.list({ namespace });
        const own = items.filter((each) => each.metadata.name?.startsWith("web-"));
        return own.flatMap(({ endpoints }) => endpoints ?? []).length === 3;
      });
      expect(new Set((await pods()).map(({ spec }) => spec.nodeName)).size).toBe(2);
    });

    it("a new image rolls out, and nothing of the old is left", async () => {
      const deployments = plane.admin.resource(DEPLOYMENTS);
      const change = { spec: { template: template("web:2") } };
      await deployments.patch({ namespace, name: "web" }, "strategic", change);
      await until("web:2 everywhere", async () => {
        const now = await pods();
        return now.length === 3 && now.every(({ spec }) => spec.containers[0]?.image === "web:2");
      });
    });

    it("nodes get their ranges, and what is owned goes with its owner", async () => {
      const { items } = await plane.admin.resource(NODES).list();
      const ranges = items.map((node) => (node as { spec?: { podCIDR?: string } }).spec?.podCIDR);
      expect(new Set(ranges).size).toBe(2);
      const deployments = plane.admin.resource(DEPLOYMENTS);
      await deployments.delete({ namespace, name: "web" }, { propagationPolicy: "Foreground" });
      await until("no pods", async () => (await pods()).length === 0);
    });

    it("roles are aggregated by the rule that ours has, and applied", async () => {
      const roles = plane.admin.resource(CLUSTER_ROLES);
      await until("view, edit and admin with their rules", async () => {
        const { items } = await roles.list();
        const aggregating = items.filter(({ aggregationRule }) => aggregationRule !== undefined);
        const { length } = aggregating;
        return (
          length === 3 &&
          aggregating.every(
            (role) =>
              role.rules?.length && isDeepStrictEqual(role.rules, aggregatedRules(role, items)),
          )
        );
      });
      const { metadata } = await roles.get({ name: "view" });
      const byController = { manager: "clusterrole-aggregation-controller", operation: "Apply" };
      expect(metadata.managedFields).toContainEqual(expect.objectContaining(byController));
    });

    describe("bootstrap tokens", () => tokenRules(() => plane));
    describe("ranges of Services", () => rangeRules(() => plane));
    describe("ephemeral volumes", () => ephemeralRules(() => plane));
    describe("hints of EndpointSlices", () => hintRules(() => plane));
    describe("CronJobs", () => cronRules(() => plane));
    describe("Jobs", () => jobRules(() => plane));
    describe("ReplicationControllers", () => replicationRules(() => plane));
    describe("DaemonSets", () => daemonRules(() => plane));
    describe("StatefulSets", () => statefulRules(() => plane));

    // With nodes of its own, so it is the last.
    describe("disruption budgets", () => disruptionRules(() => plane));
  });
}
