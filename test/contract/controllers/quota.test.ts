import type { ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import {
  CRON_JOBS,
  DEPLOYMENTS,
  JOBS,
  NAMESPACES,
  PODS,
  RESOURCE_QUOTAS,
  SERVICE_ACCOUNTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";

const namespace = "limited";
const MANY = 30;
const PATIENCE = { timeout: 150_000 };

let plane: ControlPlane;

beforeAll(async () => {
  plane = await startControlPlane();
  await plane.admin.resource(NAMESPACES).create({ metadata: { name: namespace }, spec: {} });
  const account = { namespace, name: "default" };
  const accounts = plane.admin.resource(SERVICE_ACCOUNTS);
  await waitFor("the account", () => accounts.get(account).catch(() => false));
});
afterAll(() => plane.close());

const create = (name: string, cpu?: string, ofPod?: ResourceRequirements) =>
  plane.admin
    .resource(PODS)
    .create({
      metadata: { name, namespace },
      spec: {
        ...(ofPod && { resources: ofPod }),
        containers: [
          { name: "c", image: "i", ...(cpu ? { resources: { requests: { cpu } } } : {}) },
        ],
      },
    });

const used = async () => {
  const quota = await plane.admin.resource(RESOURCE_QUOTAS).get({ namespace, name: "q" });
  return quota.status?.used;
};

test("a quota is counted, enforced, and given back", async () => {
  const { admin } = plane;
  const spec = { hard: { pods: "2", "requests.cpu": "1", "count/configmaps": "9" } };
  await admin.resource(RESOURCE_QUOTAS).create({ metadata: { name: "q", namespace }, spec });
  // kube-root-ca.crt is counted once it is there.
  const nothing = { pods: "0", "requests.cpu": "0", "count/configmaps": "1" };
  const counted = async () => {
    expect(await used()).toEqual(nothing);
    return true;
  };
  await waitFor("the first count", counted);

  await expect(create("greedless")).rejects.toThrow(
    `pods "greedless" is forbidden: failed quota: q: must specify requests.cpu for: c`,
  );
  await create("a", "600m");
  await expect(create("b", "500m")).rejects.toThrow(
    `pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, ` +
      "used: requests.cpu=600m, limited: requests.cpu=1",
  );
  const racers = await Promise.allSettled(["c", "d", "e"].map((name) => create(name, "100m")));
  expect(racers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await used()).toMatchObject({ pods: "2", "requests.cpu": "700m" });

  await admin.resource(PODS).delete({ namespace, name: "a" }, { gracePeriodSeconds: 0 });
  await waitFor("the pod's share", async () => (await used())?.["pods"] === "1");
  // A pod that asks for itself needs no containers that ask.
  await expect(create("whole", undefined, { requests: { cpu: "901m" } })).rejects.toThrow(
    "exceeded quota: q, requested: requests.cpu=901m",
  );
  await create("whole", undefined, { requests: { cpu: "899m" } });
  await admin.resource(PODS).delete({ namespace, name: "whole" }, { gracePeriodSeconds: 0 });
  await waitFor("the pod's share", async () => (await used())?.["pods"] === "1");
  await create("f", "900m");
});

test("a quota gives nothing for what another one refuses", async () => {
  const { admin } = plane;
  const quotas = admin.resource(RESOURCE_QUOTAS);
  const pod = admin.resource(PODS);
  await pod.deleteCollection({ namespace }, { gracePeriodSeconds: 0 });
  await quotas.delete({ namespace, name: "q" });
  for (const [name, hard] of [
    ["a-room", { pods: "9" }],
    ["b-none", { pods: "0" }],
  ] as const) {
    await quotas.create({ metadata: { name, namespace }, spec: { hard } });
    // As admission sees it: out of the apiserver's cache.
    const counted = async () => {
      const { items } = await quotas.list({ namespace, resourceVersion: "0" });
      return items.some(
        ({ metadata, status }) => metadata.name === name && status?.used?.["pods"] === "0",
      );
    };
    await waitFor(`the first count of ${name}`, counted);
  }
  await expect(create("refused")).rejects.toThrow("exceeded quota: b-none");
  expect((await quotas.get({ namespace, name: "a-room" })).status?.used).toEqual({ pods: "0" });
});

test("nothing is planned for objects that are gone", PATIENCE, async () => {
  const { admin } = plane;
  const timers = () => process.getActiveResourcesInfo().filter((what) => what === "Timeout").length;
  const before = timers();
  const quotas = admin.resource(RESOURCE_QUOTAS);
  const deployments = admin.resource(DEPLOYMENTS);
  const cronJobs = admin.resource(CRON_JOBS);
  const jobs = admin.resource(JOBS);
  const labels = { app: "stuck" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "i" }] } };
  const names = Array.from({ length: MANY }, (_, index) => `gone-${index}`);
  for (const name of names) {
    const metadata = { name, namespace: "default" };
    await quotas.create({ metadata, spec: { hard: { secrets: "9" } } });
    await deployments.create({ metadata, spec: { selector: { matchLabels: labels }, template } });
    const job = { template: { spec: { ...template.spec, restartPolicy: "Never" as const } } };
    await jobs.create({ metadata, spec: { ...job, activeDeadlineSeconds: 3_000 } });
    const jobTemplate = { spec: job };
    await cronJobs.create({ metadata, spec: { schedule: "0 0 1 1 *", jobTemplate } });
  }
  await waitFor("all to be looked at", async () => {
    const counted = (await quotas.list({ namespace: "default" })).items;
    const rolled = (await deployments.list({ namespace: "default" })).items;
    const started = (await jobs.list({ namespace: "default" })).items;
    return (
      started.every(({ status }) => status?.active === 1) &&
      counted.every(({ status }) => status?.used) &&
      rolled.every(({ status }) => status?.observedGeneration === 1 && status.replicas === 1)
    );
  });
  // One for each quota, deployment, job and CronJob.
  expect(timers()).toBeGreaterThan(before + 3 * MANY);
  for (const name of names) {
    await quotas.delete({ namespace: "default", name });
    await deployments.delete({ namespace: "default", name });
    await jobs.delete({ namespace: "default", name });
    await cronJobs.delete({ namespace: "default", name });
  }
  await waitFor("their timers to go", async () => timers() < before + MANY / 2, {
    timeout_ms: 50_000,
  });
});
