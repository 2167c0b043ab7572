import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterRoleBinding } from "@raft2kube/api/gen/rbac/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CERTIFICATE_SIGNING_REQUESTS,
  CLUSTER_ROLE_BINDINGS,
  EVENTS,
  NODES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { requestFor } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { signed } from "@raft2kube/kubelet/bootstrap/join.ts";
import { createKey } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { suiteFolder, testFolder } from "../../../testing/folders.ts";
import { fileControlPlane } from "./file-control-plane.ts";

const plane = fileControlPlane([]);
const { eventually } = plane;

/** The role that kubeadm binds when it creates a cluster: nodes may renew their certificates. */
const CSR_ROLES = "system:certificates.k8s.io:certificatesigningrequests";

const RBAC = "rbac.authorization.k8s.io";
async function bindClusterRole(name: string, role: string, groupName: string): Promise<void> {
  await plane.admin
    .resource(CLUSTER_ROLE_BINDINGS)
    .create({
      metadata: { name },
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
      subjects: [{ apiGroup: RBAC, kind: "Group", name: groupName }],
    });
}

/** A signing request for a new key, in base64. */
async function signingRequest(dir: string, subject: string): Promise<string> {
  const files = ["-keyout", join(dir, "key"), "-out", join(dir, "csr")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  execFileSync("openssl", ["req", "-new", ...kind, "-subj", subject, ...files], {
    stdio: "ignore",
  });
  return (await readFile(join(dir, "csr"))).toString("base64");
}

describe("certificates", () => {
  test("a kubelet renews its client certificate by itself; anything else waits", async () => {
    await bindClusterRole("nodes-renew", `${CSR_ROLES}:selfnodeclient`, "system:nodes");
    const connection = await plane.connection("system:node:n1", ["system:nodes"]);
    const client = new KubeClient({ ...connection, clock: plane.clock });
    const dir = testFolder("r2k-csr-");
    try {
      const csr = await signingRequest(dir, "/O=system:nodes/CN=system:node:n1");
      const requests = client.resource(CERTIFICATE_SIGNING_REQUESTS);
      const create = (name: string, signerName: string, usage: "client auth" | "server auth") =>
        requests.create({
          metadata: { name },
          spec: { request: csr, signerName, usages: ["digital signature", usage] },
        });
      await create("renew", "kubernetes.io/kube-apiserver-client-kubelet", "client auth");
      await create("serve", "kubernetes.io/kubelet-serving", "server auth");
      const signed = await eventually("the certificate", async () => {
        return (await requests.get({ name: "renew" })).status?.certificate;
      });
      const certificate = new X509Certificate(Buffer.from(signed, "base64"));
      expect(certificate.subject).toContain("CN=system:node:n1");
      expect(certificate.verify(new X509Certificate(plane.ca.cert).publicKey)).toBe(true);
      expect((await requests.get({ name: "serve" })).status?.conditions ?? []).toEqual([]);
    } finally {
      client.close();
    }
  });
});

const JOIN = join(import.meta.dirname, "../../../cli/addons/05-join.yaml");

describe("a joining machine", () => {
  const bootstrapper = "system:bootstrappers";

  let client: KubeClient;
  const dir = suiteFolder("r2k-csr-");

  beforeAll(async () => {
    await bindClusterRole("join", "system:node-bootstrapper", bootstrapper);
    await bindClusterRole("approve", `${CSR_ROLES}:nodeclient`, bootstrapper);
    const connection = await plane.connection("system:bootstrap:abcdef", [bootstrapper]);
    client = new KubeClient({ ...connection, clock: plane.clock });
  });
  afterAll(async () => {
    client.close();
  });

  test("a second attempt with the same key finds the request of the first", async () => {
    const key = await createKey();
    const request = requestFor("kubelet", { nodeName: "again", nodeAddress: "10.0.0.9" });
    const first = await signed(client, request, { key });
    expect(await signed(client, request, { key })).toEqual(first);
    expect(new X509Certificate(first.cert).subject).toContain("CN=system:node:again");
  });

  /** Asks for a kubelet's certificate; the result resolves with it. */
  async function ask(
    name: string,
    of: string,
    by = client,
  ): Promise<() => Promise<X509Certificate>> {
    const request = await signingRequest(dir, of);
    const requests = by.resource(CERTIFICATE_SIGNING_REQUESTS);
    const signerName = "kubernetes.io/kube-apiserver-client-kubelet";
    const usages: ["digital signature", "client auth"] = ["digital signature", "client auth"];
    await requests.create({ metadata: { name }, spec: { request, signerName, usages } });
    return async () => {
      const signed = await eventually("the certificate", async () => {
        return (await requests.get({ name })).status?.certificate;
      });
      return new X509Certificate(Buffer.from(signed, "base64"));
    };
  }

  test("gets none for a name that no Node can have, such as one with another's in quotes", async () => {
    await ask("quoted", '/O=system:nodes/CN=system:node:x"system:kube-controller-manager"');
    // The controller has one worker, which has looked at the earlier one.
    await (await ask("plain", "/O=system:nodes/CN=system:node:plain"))();
    const requests = client.resource(CERTIFICATE_SIGNING_REQUESTS);
    expect((await requests.get({ name: "quoted" })).status?.conditions ?? []).toEqual([]);
  });

  test("gets none by a token of r2k's before r2k approves it, unlike by kubeadm's", async () => {
    const bindings = plane.admin.resource(CLUSTER_ROLE_BINDINGS);
    for (const document of parseAllDocuments(await readFile(JOIN, "utf8"))) {
      await bindings.create(document.toJS() as ClusterRoleBinding);
    }
    const clientOf = async (group: string) => {
      const connection = await plane.connection(`system:bootstrap:${group.slice(-6)}`, [group]);
      return new KubeClient({ ...connection, clock: plane.clock });
    };
    const groups = ["system:bootstrappers:r2k", "system:bootstrappers:kubeadm:default-node-token"];
    const [ours, kubeadms] = await Promise.all(groups.map(clientOf));
    try {
      await ask("of-r2k", "/O=system:nodes/CN=system:node:other", ours);
      const signed = await ask("of-kubeadm", "/O=system:nodes/CN=system:node:fresh", kubeadms);
      expect((await signed()).subject).toContain("CN=system:node:fresh");
      // The controller has one worker, which has looked at the earlier one.
      const requests = client.resource(CERTIFICATE_SIGNING_REQUESTS);
      expect((await requests.get({ name: "of-r2k" })).status?.conditions ?? []).toEqual([]);
    } finally {
      ours?.close();
      kubeadms?.close();
    }
  });

  test("gets none in the name of a Node that exists, until it is deleted", async () => {
    const nodes = plane.admin.resource(NODES);
    await nodes.create({ metadata: { name: "taken" }, spec: {} });
    const signed = await ask("again", "/O=system:nodes/CN=system:node:taken");
    const events = plane.admin.resource(EVENTS);
    const event = await eventually("the refusal", async () => {
      const { items } = await events.list({ fieldSelector: "involvedObject.name=again" });
      return items[0];
    });
    expect([event.reason, event.message]).toEqual([
      "NodeExists",
      "Node taken exists: delete it first, or approve the request by hand",
    ]);
    const requests = client.resource(CERTIFICATE_SIGNING_REQUESTS);
    expect((await requests.get({ name: "again" })).status?.conditions ?? []).toEqual([]);
    await nodes.delete({ name: "taken" });
    expect((await signed()).subject).toContain("CN=system:node:taken");
  });
});
