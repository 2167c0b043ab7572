import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AskOptions, ask } from "../../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { grant } from "../../testing/grant.ts";

const CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const SIGNER = "kubernetes.io/kube-apiserver-client";

let api: TestApiserver;
let admin: { cert: string; key: string };

const asAdmin = (path: string, options: AskOptions = {}) =>
  ask(api, path, { ...admin, ...options });

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  admin = await api.credentials("admin", ["system:masters"]);
});
afterAll(() => api.close());

function signingRequest(name: string, subject: string, signerName = SIGNER): AskOptions {
  const pem = execFileSync(
    "openssl",
    [
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "/dev/null",
      "-subj",
      subject,
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  const request = pem.toString("base64");
  const spec = { request, signerName, usages: ["client auth"] };
  return { method: "POST", body: { metadata: { name }, spec } };
}

it("no client gets a certificate of group system:masters", async () => {
  const refused = await asAdmin(CSRS, signingRequest("greedy", "/CN=x/O=system:masters"));
  expect(refused.status).toBe(403);
  expect(refused.body).toContain("system:masters group is not allowed");
  const spaced = signingRequest("spaced", "/CN=x/O=system:masters ");
  expect((await asAdmin(CSRS, spaced)).status).toBe(403);
  expect((await asAdmin(CSRS, signingRequest("modest", "/CN=x/O=devs"))).status).toBe(201);
});

it("approving needs the right to approve for the signer", async () => {
  const rules = [
    {
      apiGroups: ["certificates.k8s.io"],
      resources: ["certificatesigningrequests/approval"],
      verbs: ["update"],
    },
  ];
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const role = { metadata: { name: "half" }, rules };
  await asAdmin(`${rbac}/clusterroles`, { method: "POST", body: role });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "half" };
  const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "half" }];
  const binding = { metadata: { name: "half" }, roleRef, subjects };
  await asAdmin(`${rbac}/clusterrolebindings`, { method: "POST", body: binding });
  const found = JSON.parse((await asAdmin(`${CSRS}/modest`)).body) as object;
  const conditions = [{ type: "Approved", status: "True", reason: "x", message: "y" }];
  const approve: AskOptions = { method: "PUT", body: { ...found, status: { conditions } } };
  const half = await api.credentials("half");
  const refused = await ask(api, `${CSRS}/modest/approval`, { ...approve, ...half });
  expect(refused.status).toBe(403);
  expect(refused.body).toContain("user not permitted to approve requests with signerName");
  expect((await asAdmin(`${CSRS}/modest/approval`, approve)).status).toBe(200);
});

it("a node asks for certificates in its own name only", async () => {
  const node = await api.credentials("system:node:n1", ["system:nodes"]);
  const signer = "kubernetes.io/kube-apiserver-client-kubelet";
  const asNode = (name: string, subject: string) =>
    ask(api, CSRS, { ...signingRequest(name, subject, signer), ...node });
  const other = await asNode("other", "/CN=system:node:n2/O=system:nodes");
  expect([other.status, other.body]).toEqual([
    403,
    expect.stringContaining("can only create a node CSR with CN=system:node:n1"),
  ]);
  expect((await asNode("own", "/CN=system:node:n1/O=system:nodes")).status).toBe(201);
});

it("setting the Failed condition needs the permission to sign", async () => {
  const rule = { apiGroups: ["certificates.k8s.io"], verbs: ["update"] };
  const reporter = await grant({ api, admin, ask: asAdmin }, "reporter", "", [
    { ...rule, resources: ["certificatesigningrequests/status"] },
  ]);
  const found = JSON.parse((await asAdmin(`${CSRS}/own`)).body) as object;
  const conditions = [{ type: "Failed", status: "True", reason: "x", message: "y" }];
  const failed: AskOptions = { method: "PUT", body: { ...found, status: { conditions } } };
  const refused = await ask(api, `${CSRS}/own/status`, { ...failed, ...reporter });
  expect([refused.status, refused.body]).toEqual([
    403,
    expect.stringContaining("user not permitted to sign requests with signerName"),
  ]);
  expect((await asAdmin(`${CSRS}/own/status`, failed)).status).toBe(200);
});

it("a certificate with a curve that is written out is refused before it is parsed", async () => {
  const options = ["ec_paramgen_curve:P-256", "ec_param_enc:explicit"];
  const key = ["-newkey", "ec", ...options.flatMap((each) => ["-pkeyopt", each])];
  const made = ["req", "-x509", ...key, "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null"];
  const pem = execFileSync("openssl", made, { stdio: ["ignore", "pipe", "ignore"] });
  const found = JSON.parse((await asAdmin(`${CSRS}/own`)).body) as { status: object };
  const body = { ...found, status: { ...found.status, certificate: pem.toString("base64") } };
  const refused = await asAdmin(`${CSRS}/own/status`, { method: "PUT", body });
  expect([refused.status, refused.body]).toEqual([403, expect.stringContaining("written out")]);
});
