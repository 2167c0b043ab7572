import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { readAuthenticationConfig } from "@raft2kube/apiserver/authn/jwt/config.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { fixed } from "@raft2kube/reconcile/followed-file.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ACCESS_FLAGS, accessOf } from "../../../../cli/parts/apiserver-access.ts";
import { flagsOf } from "../../../../cli/testing/flags.ts";
import { ask } from "../../../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";
import { suiteFolder } from "../../../../testing/folders.ts";
import { freePort } from "../../../../testing/free-port.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { browser, type Issuer, LOGIN, loginPlugin, machinePlugin, startIssuer } from "./issuer.ts";

const run = promisify(execFile);
const clock = systemClock();
const ROOT = join(import.meta.dirname, "../../../..");
const KUBELOGIN = join(ROOT, ".peers/bin/kubelogin");

const dir = suiteFolder("r2k-oidc-");
let issuer: Issuer;
// One with an AuthenticationConfiguration, one with the flags of `--oidc`.
let configured: TestApiserver;
let flagged: TestApiserver;

beforeAll(async () => {
  issuer = await startIssuer();
  await writeFile(join(dir, "ca.pem"), issuer.ca);
  const config = await readAuthenticationConfig(
    JSON.stringify({
      kind: "AuthenticationConfiguration",
      apiVersion: "apiserver.config.k8s.io/v1",
      jwt: [
        {
          issuer: { url: issuer.url, audiences: ["urn:cluster"], certificateAuthority: issuer.ca },
          claimMappings: {
            username: { expression: "'oidc:' + claims.sub" },
            groups: { expression: "claims.scope.split(' ')" },
          },
          userValidationRules: [{ expression: "!user.username.startsWith('system:')" }],
        },
      ],
      anonymous: { enabled: true, conditions: [{ path: "/livez" }] },
    }),
  );
  configured = await startApiserverOnEtcd({ authentication: { config: fixed(config) } });
  const port = await freePort();
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const flags = await flagsOf(
    ACCESS_FLAGS,
    `--oidc-issuer-url ${issuer.url} --oidc-client-id ${LOGIN.id}`,
    `--oidc-ca-file ${join(dir, "ca.pem")} --oidc-username-prefix oidc:`,
    "--oidc-groups-claim groups --oidc-groups-prefix oidc: --oidc-required-claim",
    "sub=jane",
  );
  const { options } = await accessOf(flags, [], clock);
  // Its tokens' issuer is where a relying party finds it.
  flagged = await startApiserverOnEtcd({
    ...options,
    listen: [{ host: "127.0.0.1", port }],
    advertiseAddress: "127.0.0.1",
    advertisePort: port,
    serviceAccountKey: { privateKey, publicKeys: [publicKey], issuer: `https://127.0.0.1:${port}` },
  });
});

afterAll(async () => {
  await configured?.close();
  await flagged?.close();
  issuer?.close();
});

async function script(name: string, text: string): Promise<string> {
  const path = join(dir, `${name}.cjs`);
  await writeFile(path, text, { mode: 0o700 });
  return path;
}

/** Runs kubectl with the credentials of a plugin's command: one of v1beta1 if it has arguments. */
function kubectlWith(api: TestApiserver, command: string, ...args: string[]) {
  const version = args.length > 0 ? "v1beta1" : "v1";
  return async (...words: string[]): Promise<string> => {
    const path = join(dir, "config");
    const exec = {
      apiVersion: `client.authentication.k8s.io/${version}`,
      command,
      args,
      interactiveMode: "Never",
      env: [{ name: "NODE_EXTRA_CA_CERTS", value: join(dir, "ca.pem") }],
    };
    const { server, ca } = api;
    const config = JSON.parse(kubeconfig("c", { server, ca: ca.cert }, "json")) as object;
    await writeFile(path, JSON.stringify({ ...config, users: [{ name: "c", user: { exec } }] }));
    const { stdout } = await run("kubectl", ["--kubeconfig", path, ...words]);
    return stdout;
  };
}

const succeeds = (act: Promise<unknown>) =>
  act.then(
    () => true,
    () => false,
  );

/** Returns the server's name for kubectl's user, once it has the issuer's keys. */
async function whoIs(kubectl: (...words: string[]) => Promise<string>): Promise<object> {
  const whoami = () => kubectl("auth", "whoami", "-o", "json");
  await waitFor("the issuer's keys", () => succeeds(whoami()));
  return (JSON.parse(await whoami()) as { status: { userInfo: object } }).status.userInfo;
}

it("kubectl comes in by a plugin that asks a real issuer, with the issuer's groups", async () => {
  const kubectl = kubectlWith(configured, await script("machine", machinePlugin(issuer)));
  expect(await whoIs(kubectl)).toMatchObject({
    username: "oidc:machine",
    groups: ["dev", "system:authenticated"],
  });
  await expect(kubectl("get", "pods")).rejects.toThrow('User "oidc:machine" cannot list');
  const admin = await configured.credentials("admin", ["system:masters"]);
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "pods" };
  const subject = { apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "dev" };
  const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }];
  for (const [plural, more] of [
    ["clusterroles", { rules }],
    ["clusterrolebindings", { roleRef, subjects: [subject] }],
  ] as const) {
    const body = { metadata: { name: "pods" }, ...more };
    const path = `/apis/rbac.authorization.k8s.io/v1/${plural}`;
    expect(await ask(configured, path, { ...admin, method: "POST", body })).toMatchObject({
      status: 201,
    });
  }
  await waitFor("the right", () => succeeds(kubectl("get", "pods")));
});

const JANE = { username: "oidc:jane", groups: ["oidc:dev", "system:authenticated"] };

it("kubectl comes in with an ID token of a login, by the flags of OIDC", async () => {
  const plugin = await script("login", loginPlugin(issuer));
  expect(await whoIs(kubectlWith(flagged, plugin))).toMatchObject(JANE);
  // The same issuer's token for another audience.
  const machine = await script("machine", machinePlugin(issuer));
  for (const kubectl of [kubectlWith(flagged, machine), kubectlWith(configured, plugin)]) {
    await expect(kubectl("get", "pods")).rejects.toThrow(/Unauthorized|provide credentials/);
  }
});

const TITLE = "kubectl comes in by kubelogin with an ID token";
it.skipIf(!existsSync(KUBELOGIN))(TITLE, async () => {
  const args = [
    `get-token --oidc-issuer-url ${issuer.url} --oidc-client-id ${LOGIN.id} --oidc-use-pkce`,
    `--oidc-extra-scope groups --certificate-authority ${join(dir, "ca.pem")}`,
    "--grant-type authcode --listen-address 127.0.0.1:0 --oidc-redirect-url-hostname 127.0.0.1",
    `--browser-command ${await script("browser", browser())} --token-cache-dir ${dir}`,
  ];
  const words = args.flatMap((each) => each.split(" "));
  const kubectl = kubectlWith(flagged, KUBELOGIN, ...words);
  expect(await whoIs(kubectl)).toMatchObject(JANE);
});

/** A relying party of others: discovery by openid-client, verification by jose. */
const RELYING_PARTY = `
import { discovery, None } from "openid-client";
import { createRemoteJWKSet, jwtVerify } from "jose";
const [, url, token] = process.argv;
const server = (await discovery(new URL(url), "vault", {}, None())).serverMetadata();
const keys = createRemoteJWKSet(new URL(server.jwks_uri));
const { payload } = await jwtVerify(token, keys, { issuer: server.issuer, audience: "vault" });
process.stdout.write(payload.sub);
`;

it("a relying party verifies a service account's token by discovery", async () => {
  const admin = await flagged.credentials("admin", ["system:masters"]);
  const create = async (path: string, body: object) =>
    JSON.parse((await ask(flagged, path, { ...admin, method: "POST", body })).body) as object;
  const rbac = "rbac.authorization.k8s.io";
  await create(`/apis/${rbac}/v1/clusterrolebindings`, {
    metadata: { name: "discovery" },
    roleRef: {
      apiGroup: rbac,
      kind: "ClusterRole",
      name: "system:service-account-issuer-discovery",
    },
    subjects: [{ apiGroup: rbac, kind: "Group", name: "system:unauthenticated" }],
  });
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  await create(accounts, { metadata: { name: "robot" } });
  const tokenFor = async (audience: string) => {
    const made = await create(`${accounts}/robot/token`, { spec: { audiences: [audience] } });
    return (made as { status: { token: string } }).status.token;
  };
  const ca = join(dir, "cluster-ca.pem");
  await writeFile(ca, flagged.ca.cert);
  const verify = (token: string) =>
    run(process.execPath, ["--input-type=module", "-e", RELYING_PARTY, flagged.server, token], {
      cwd: ROOT,
      env: { ...process.env, NODE_EXTRA_CA_CERTS: ca },
    });
  await waitFor(
    "the right to read the documents",
    async () => (await ask(flagged, "/openid/v1/jwks")).status === 200,
  );
  const { stdout } = await verify(await tokenFor("vault"));
  expect(stdout).toBe("system:serviceaccount:default:robot");
  await expect(verify(await tokenFor("other"))).rejects.toThrow('unexpected "aud" claim');
});

it("without credentials only the paths of the configuration are served", async () => {
  expect(await ask(configured, "/livez")).toMatchObject({ status: 200 });
  expect(await ask(configured, "/livez?verbose")).toMatchObject({ status: 200 });
  for (const path of ["/livez/", "/livez/ping", "/version", "/api", "//livez"]) {
    expect((await ask(configured, path)).status).toBe(401);
  }
});
