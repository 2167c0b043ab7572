import { type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killed } from "../../testing/killed.ts";
import { waitFor } from "../../testing/wait.ts";
import { TestCluster } from "./cluster.ts";

const PROGRAM = join(import.meta.dirname, "../../.peers/bin/operator");
const GROUP = "compat.example.com";
const PORTS = {
  a: { webhooks: 19_443, metrics: 19_080 },
  b: { webhooks: 19_444, metrics: 19_081 },
};
/** The webhooks of the copy that survives. */
const WEBHOOKS = `https://127.0.0.1:${PORTS.b.webhooks}`;

type Copy = keyof typeof PORTS;

let cluster: TestCluster;
const copies = new Map<Copy, ChildProcess>();

/** One version of the definition, whose spec has a number and a text under these names. */
const version = (name: string, number: string, text: string, storage: boolean) => ({
  name,
  served: true,
  storage,
  subresources: { status: {} },
  schema: {
    openAPIV3Schema: {
      type: "object",
      properties: {
        spec: {
          type: "object",
          properties: { [number]: { type: "integer" }, [text]: { type: "string" } },
        },
        status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
    },
  },
});

const definition = (caBundle: string) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `sites.${GROUP}` },
  spec: {
    group: GROUP,
    scope: "Namespaced",
    names: { kind: "Site", plural: "sites" },
    versions: [
      version("v1", "replicas", "message", true),
      version("v1alpha1", "size", "text", false),
    ],
    conversion: {
      strategy: "Webhook",
      webhook: {
        conversionReviewVersions: ["v1"],
        clientConfig: { url: `${WEBHOOKS}/convert`, caBundle },
      },
    },
  },
});

/** The configuration of one kind of webhook, for v1 of sites. */
const webhooks = (kind: "Mutating" | "Validating", verb: string, caBundle: string) => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: `${kind}WebhookConfiguration`,
  metadata: { name: "site-operator" },
  webhooks: [
    {
      name: `${verb}.${GROUP}`,
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      clientConfig: { url: `${WEBHOOKS}/${verb}-compat-example-com-v1-site`, caBundle },
      rules: [
        {
          apiGroups: [GROUP],
          apiVersions: ["v1"],
          resources: ["sites"],
          operations: ["CREATE", "UPDATE", ...(kind === "Validating" ? ["DELETE"] : [])],
        },
      ],
    },
  ],
});

const site = (name: string, versionName: string, spec: object) =>
  JSON.stringify({ apiVersion: `${GROUP}/${versionName}`, kind: "Site", metadata: { name }, spec });

function startCopy(copy: Copy): void {
  const { webhooks: port, metrics } = PORTS[copy];
  const child = cluster.host.start(
    PROGRAM,
    [
      `--webhook-port=${port}`,
      `--metrics-bind-address=127.0.0.1:${metrics}`,
      `--cert-dir=${join(cluster.host.dir, "webhook-certs")}`,
    ],
    { env: cluster.env },
  );
  child.stdout?.resume();
  child.stderr?.resume();
  copies.set(copy, child);
}

const leader = ["get", "lease", "site-operator", "-o", "jsonpath={.spec.holderIdentity}"];
const metricsOf = (copy: Copy) =>
  cluster.curl(`http://127.0.0.1:${PORTS[copy].metrics}/metrics`).catch(String);
const READY = '{.status.conditions[?(@.type=="Ready")].status} {.status.replicas}';
const readyOf = (name: string) => ["get", `sites.${GROUP}`, name, "-o", `jsonpath=${READY}`];

/** An operator of kubebuilder's shape on controller-runtime (scripts/peers/operator), in Go. */
describe.runIf(existsSync(PROGRAM))("an operator on controller-runtime", () => {
  beforeAll(async () => {
    cluster = await TestCluster.start("operator", ["--no-demo"]);
    const now_ms = Date.now();
    const ca = await createCa({ commonName: "webhook-ca", days: 1, now_ms });
    const pair = await issueCertificate(
      ca,
      { commonName: "webhooks", ipAddresses: ["127.0.0.1"], usages: ["server"], days: 1 },
      now_ms,
    );
    const dir = join(cluster.host.dir, "webhook-certs");
    await mkdir(dir);
    await writeFile(join(dir, "tls.crt"), pair.cert);
    await writeFile(join(dir, "tls.key"), pair.key);
    const caBundle = Buffer.from(ca.cert).toString("base64");
    await cluster.apply(JSON.stringify(definition(caBundle)));
    await cluster.ask("wait", "--for=condition=Established", `crd/sites.${GROUP}`);
    startCopy("a");
    await cluster.until("a leader", leader, (name) => name !== "");
    startCopy("b");
    for (const copy of ["a", "b"] as const) {
      await waitFor(`copy ${copy}`, async () => (await metricsOf(copy)).includes("go_info"));
    }
    await cluster.apply(JSON.stringify(webhooks("Mutating", "mutate", caBundle)));
    await cluster.apply(JSON.stringify(webhooks("Validating", "validate", caBundle)));
  });
  afterAll(async () => {
    for (const child of copies.values()) child.kill("SIGKILL");
    await cluster?.close();
  });

  it("webhooks default and refuse, with warnings", async () => {
    const create = (text: string) => cluster.kubectl(["create", "-f", "-"], { input: text });
    const refused = await create(site("many", "v1", { replicas: 6 }));
    expect(refused.stderr).toContain("spec.replicas is 6, more than 5");
    const warned = await create(site("none", "v1", {}));
    expect(warned.stderr).toContain("Warning: a site without replicas");
    const message = ["get", `sites.v1.${GROUP}`, "none", "-o", "jsonpath={.spec.message}"];
    expect(await cluster.ask(...message)).toBe("hello");
    await cluster.ask("annotate", `sites.${GROUP}`, "none", "keep=yes");
    const kept = await cluster.kubectl(["delete", `sites.${GROUP}`, "none"]);
    expect(kept.stderr).toContain("none is kept");
    await cluster.ask("annotate", `sites.${GROUP}`, "none", "keep-");
    await cluster.ask("delete", `sites.${GROUP}`, "none");
  });

  it("versions are converted, and the site has its Deployment and status", async () => {
    await cluster.apply(site("one", "v1alpha1", { size: 1, text: "good day" }));
    const spec = ["get", `sites.v1.${GROUP}`, "one", "-o", "jsonpath={.spec}"];
    expect(JSON.parse(await cluster.ask(...spec))).toEqual({ replicas: 1, message: "good day" });
    const old = ["get", `sites.v1alpha1.${GROUP}`, "one", "-o", "jsonpath={.spec}"];
    expect(JSON.parse(await cluster.ask(...old))).toEqual({ size: 1, text: "good day" });
    await cluster.until("the site", readyOf("one"), (text) => text === "True 1");
    expect(await cluster.ask("logs", "deployment/one")).toBe("good day");
    expect(await metricsOf("a")).toMatch(
      /controller_runtime_reconcile_total{controller="site",result="success"} [1-9]/,
    );
  });

  it("the leader is killed, and the other copy goes on", async () => {
    const before = await cluster.ask(...leader);
    const child = copies.get("a")!;
    await killed(child);
    await cluster.ask("scale", "deployment/one", "--replicas=0");
    await cluster.until("another leader", leader, (name) => name !== "" && name !== before);
    await cluster.until("the site again", readyOf("one"), (text) => text === "True 1");
    const leads = 'leader_election_master_status{name="site-operator"} 1';
    expect(await metricsOf("b")).toContain(leads);
  });

  it("a deleted site's finalizer runs, and its Deployment is garbage", async () => {
    await cluster.ask("delete", `sites.${GROUP}`, "one");
    await cluster.ask("get", "configmap", "farewell-one");
    const left = ["get", "deployments,replicasets,pods", "-l", "site=one", "-o", "name"];
    await cluster.until("no garbage", left, (text) => text === "");
    await cluster.until(
      "no Deployment",
      ["get", "deployments", "-o", "name"],
      (text) => text === "",
    );
  });
});
