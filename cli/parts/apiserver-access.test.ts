import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeAll, expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { flagsOf } from "../testing/flags.ts";
import { ACCESS_FLAGS, accessOf } from "./apiserver-access.ts";

const dir = suiteFolder("r2k-access-");
let ca: string;
const file = async (name: string, content: string): Promise<string> => {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
};
beforeAll(async () => {
  ca = (await createCa({ commonName: "ca", days: 1, now_ms: Date.now() })).cert;
});

/** The options of a command line. */
async function optionsOf(...words: string[]) {
  const flags = await flagsOf(ACCESS_FLAGS, ...words);
  const { options, close } = await accessOf(flags, ["https://own"], systemClock());
  await close();
  return options;
}

const hook = () =>
  file("hook.conf", kubeconfig("c", { server: "https://127.0.0.1:9/x", ca, token: "t" }));

it("by default the authorizers are Node and RBAC, and requests may be anonymous", async () => {
  const { authentication, authorization } = await optionsOf();
  expect(authentication).toEqual({});
  expect(authorization?.current.authorizers.map(({ type }) => type)).toEqual(["Node", "RBAC"]);
});

it("the flags of OIDC name one issuer, with upstream's prefixes", async () => {
  const issuer = "--oidc-issuer-url https://i --oidc-client-id kube";
  const issuerOf = async (...more: string[]) =>
    (await optionsOf(issuer, ...more)).authentication?.config?.current.issuers[0];
  expect(await issuerOf()).toMatchObject({
    url: "https://i",
    audiences: ["kube"],
    algorithms: ["RS256"],
    username: { claim: "sub", prefix: "https://i#" },
  });
  expect(await issuerOf("--oidc-username-claim email")).toMatchObject({
    username: { claim: "email", prefix: "" },
  });
  expect(
    await issuerOf(
      "--oidc-username-prefix - --oidc-groups-claim roles --oidc-groups-prefix g:",
      "--oidc-required-claim",
      "hd=a",
      "--oidc-required-claim",
      "org=b,x=y",
      `--oidc-signing-algs ES256,RS256 --oidc-ca-file ${await file("ca.pem", ca)}`,
    ),
  ).toMatchObject({
    username: { prefix: "" },
    groups: { claim: "roles", prefix: "g:" },
    certificateAuthority: ca,
    algorithms: ["ES256", "RS256"],
    requiredClaims: [
      { claim: "hd", value: "a" },
      { claim: "org", value: "b" },
      { claim: "x", value: "y" },
    ],
  });
});

it("webhooks, token files and modes are read", async () => {
  const config = await hook();
  const { authentication, authorization } = await optionsOf(
    `--token-auth-file ${await file("tokens", "t,u,1")} --anonymous-auth false`,
    `--authentication-token-webhook-config-file ${config}`,
    "--authentication-token-webhook-version v1 --authentication-token-webhook-cache-ttl 1m",
    `--authorization-mode RBAC,Webhook,Node --authorization-webhook-config-file ${config}`,
    "--authorization-webhook-cache-unauthorized-ttl 5s",
  );
  const access = { url: "https://127.0.0.1:9/x", ca, token: "t" };
  expect(authentication).toEqual({
    tokenFile: "t,u,1",
    anonymous: false,
    webhook: { access, version: "v1", cache_ms: 60_000 },
  });
  expect(authorization?.current.authorizers).toMatchObject([
    { type: "RBAC" },
    {
      type: "Webhook",
      webhook: {
        access,
        version: "v1beta1",
        onFailure: "NoOpinion",
        authorized_ms: 300_000,
        unauthorized_ms: 5_000,
      },
    },
    { type: "Node" },
  ]);
});

it("files of the configuration are read, and flags that contradict them refused", async () => {
  const authorization = await file(
    "authz.yaml",
    `
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
  - {type: RBAC, name: rights}
`,
  );
  const read = await optionsOf("--authorization-config", authorization);
  expect(read.authorization?.current.authorizers).toEqual([{ type: "RBAC", name: "rights" }]);
  const authentication = await file(
    "authn.yaml",
    `
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: false}
`,
  );
  for (const other of ["--anonymous-auth true", "--oidc-issuer-url https://i"]) {
    const both = optionsOf("--authentication-config", authentication, other);
    await expect(both).rejects.toThrow("are not given together");
  }
  const of = "--oidc-issuer-url https://i";
  for (const [words, why] of [
    [of, "needs --oidc-client-id"],
    ["--oidc-issuer-url http://i --oidc-client-id c", "must be an https URL"],
    [`${of} --oidc-client-id c --oidc-signing-algs HS256`, "HS256 is not one of"],
    ["--authorization-mode ABAC", "ABAC is not one of"],
    ["--authorization-mode Webhook", "needs --authorization-webhook-config-file"],
    ["--authorization-mode RBAC,RBAC", "two modes RBAC"],
    [`--authorization-webhook-config-file ${await hook()}`, "is for the mode Webhook"],
  ] as const) {
    await expect(optionsOf(words)).rejects.toThrow(why);
  }
});
