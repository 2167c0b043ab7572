import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { readAuthenticationConfig } from "@raft2kube/apiserver/authn/jwt/config.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { fixed } from "@raft2kube/reconcile/followed-file.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import Provider from "oidc-provider";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ask } from "../../../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";

const run = promisify(execFile);
const SECRET = "a-secret-of-the-client";

let dir: string;
let issuer: { url: string; ca: KeyPair; server: Server };
let api: TestApiserver;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "r2k-oidc-"));
  issuer = await startIssuer();
  const config = await readAuthenticationConfig(JSON.stringify({
    kind: "AuthenticationConfiguration", apiVersion: "apiserver.config.k8s.io/v1",
    jwt: [{
      issuer: {
        url: issuer.url, audiences: ["urn:cluster"], certificateAuthority: issuer.ca.cert,
      },
      claimMappings: {
        username: { expression: "'oidc:' + claims.sub" },
        groups: { expression: "claims.scope.split(' ')" },
      },
      userValidationRules: [{ expression: "!user.username.startsWith('system:')" }],
    }],
    anonymous: { enabled: true, conditions: [{ path: "/livez" }] },
  }));
  api = await startApiserverOnEtcd({ authentication: { config: fixed(config) } });
}, 60_000);

afterAll(async () => {
  await api?.close();
  issuer?.server.closeAllConnections();
  issuer?.server.close();
  await rm(dir, { recursive: true, force: true });
});

/** An issuer of node-oidc-provider: its client gets tokens that are JWTs for the cluster. */
async function startIssuer(): Promise<typeof issuer> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "issuer-ca", days: 1, now_ms });
  const subject = { commonName: "issuer", days: 1, usages: ["server" as const],
    ipAddresses: ["127.0.0.1"] };
  const server = createServer(await issueCertificate(ca, subject, now_ms));
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(url, {
    clients: [{
      client_id: "jane", client_secret: SECRET, grant_types: ["client_credentials"],
      redirect_uris: [], response_types: [],
    }],
    scopes: ["dev", "ops"],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:cluster",
        getResourceServerInfo: () => ({
          scope: "dev ops", audience: "urn:cluster", accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  server.on("request", provider.callback());
  return { url, ca, server };
}

/** A plugin of kubectl that gets a token from the issuer each time. */
const plugin = () => `#!${process.execPath}
const { request } = require("node:https");
const body = "grant_type=client_credentials&scope=dev";
const headers = {
  authorization: "Basic " + Buffer.from("jane:${SECRET}").toString("base64"),
  "content-type": "application/x-www-form-urlencoded",
};
request("${issuer.url}/token", { method: "POST", headers, ca: ${JSON.stringify(issuer.ca.cert)} },
  (answer) => {
    let text = "";
    answer.on("data", (piece) => { text += piece; });
    answer.on("end", () => {
      const token = JSON.parse(text).access_token;
      process.stdout.write(JSON.stringify({
        apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: { token },
      }));
    });
  }).end(body);
`;

async function kubectl(...words: string[]): Promise<string> {
  const config = join(dir, "config");
  const command = join(dir, "plugin.cjs");
  await writeFile(command, plugin());
  await chmod(command, 0o700);
  const ca = Buffer.from(api.ca.cert).toString("base64");
  await writeFile(config, JSON.stringify({
    apiVersion: "v1", kind: "Config", "current-context": "c",
    clusters: [{ name: "c",
      cluster: { server: api.server, "certificate-authority-data": ca } }],
    users: [{ name: "u", user: { exec: {
      apiVersion: "client.authentication.k8s.io/v1", command, interactiveMode: "Never",
    } } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
  }));
  const { stdout } = await run("kubectl", ["--kubeconfig", config, ...words]);
  return stdout;
}

it("kubectl comes in by a plugin that asks a real issuer, with the issuer's groups", async () => {
  const clock = systemClock();
  const whoami = () => kubectl("auth", "whoami", "-o", "json");
  await waitFor("the issuer's keys", () => whoami().then(() => true, () => false), { clock });
  const review = JSON.parse(await whoami()) as { status: { userInfo: object } };
  expect(review.status.userInfo).toMatchObject({
    username: "oidc:jane", groups: ["dev", "system:authenticated"],
  });
  await expect(kubectl("get", "pods")).rejects.toThrow('User "oidc:jane" cannot list');
  const admin = await api.credentials("admin", ["system:masters"]);
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "pods" };
  const subject = { apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "dev" };
  const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }];
  for (const [plural, more] of [
    ["clusterroles", { rules }], ["clusterrolebindings", { roleRef, subjects: [subject] }],
  ] as const) {
    const body = { metadata: { name: "pods" }, ...more };
    const path = `/apis/rbac.authorization.k8s.io/v1/${plural}`;
    expect(await ask(api, path, { ...admin, method: "POST", body })).toMatchObject({ status: 201 });
  }
  await waitFor("the right", () =>
    kubectl("get", "pods").then(() => true, () => false), { clock });
}, 60_000);

it("without credentials only the paths of the configuration are served", async () => {
  expect(await ask(api, "/livez")).toMatchObject({ status: 200 });
  expect(await ask(api, "/livez?verbose")).toMatchObject({ status: 200 });
  for (const path of ["/livez/", "/livez/ping", "/version", "/api", "//livez"]) {
    expect((await ask(api, path)).status).toBe(401);
  }
});
