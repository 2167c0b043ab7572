import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { beforeAll, expect, it } from "vitest";
import { type AskOptions } from "../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";

const CORE = "/api/v1";
const NS = `${CORE}/namespaces/default`;
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const API_GROUP = "rbac.authorization.k8s.io";

const server = fileApiserver();
/** A user with every right in the namespace default. */
let lord: KeyPair;
/** A user who may act as alice, and read nodes. */
let agent: KeyPair;

const post = (path: string, body: object) => server.ask(path, { method: "POST", body });

async function grant(name: string, namespace: string, rules: object[]): Promise<KeyPair> {
  const scope = namespace === "" ? "" : `/namespaces/${namespace}`;
  const kind = namespace === "" ? "clusterrole" : "role";
  expect((await post(`${RBAC}${scope}/${kind}s`, { metadata: { name }, rules })).status).toBe(201);
  const bound = await post(`${RBAC}${scope}/${kind}bindings`, {
    metadata: { name },
    roleRef: { apiGroup: API_GROUP, kind: kind === "role" ? "Role" : "ClusterRole", name },
    subjects: [{ kind: "User", apiGroup: API_GROUP, name }],
  });
  expect(bound.status).toBe(201);
  return await server.api.credentials(name);
}

beforeAll(async () => {
  const all = [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }];
  lord = await grant("lord", "default", all);
  agent = await grant("agent", "", [
    { apiGroups: [""], resources: ["users"], resourceNames: ["alice"], verbs: ["impersonate"] },
    { apiGroups: [""], resources: ["nodes"], verbs: ["*"] },
  ]);
  await grant("alice", "", [{ apiGroups: [""], resources: ["namespaces"], verbs: ["list"] }]);
  await post(`${NS}/secrets`, { metadata: { name: "kept" } });
  await post(`${CORE}/nodes`, { metadata: { name: "n1" } });
  const hold = async () => {
    const seen = [
      await server.ask(`${NS}/secrets`, lord),
      await server.ask(`${CORE}/nodes`, agent),
      await server.ask(`${CORE}/namespaces`, as({ user: "alice" })),
    ];
    return seen.every(({ status }) => status === 200);
  };
  await waitFor("the bindings to hold", hold);
});

/** The agent's request as an impersonated user. */
function as(user: Readonly<Record<string, string>>): AskOptions {
  const headers = Object.entries(user).map(([part, value]) => [`impersonate-${part}`, value]);
  return { ...agent, headers: Object.fromEntries(headers) as Record<string, string> };
}

it("an anonymous request writes nothing", async () => {
  const body = { metadata: { name: "x" } };
  const anonymous = { cert: "", key: "" };
  const places = [
    `${NS}/configmaps`,
    `${CORE}/nodes`,
    `${CORE}/namespaces`,
    `${RBAC}/clusterrolebindings`,
    "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    `${NS}/serviceaccounts/default/token`,
  ];
  for (const path of places) {
    const made = await server.ask(path, { method: "POST", body, ...anonymous });
    expect([path, made.status]).toEqual([path, 403]);
  }
  for (const method of ["PUT", "PATCH", "DELETE"]) {
    const headers = { "content-type": "application/merge-patch+json" };
    const sent = method === "DELETE" ? {} : { body, headers };
    const changed = await server.ask(`${NS}/secrets/kept`, { method, ...sent, ...anonymous });
    expect([method, changed.status]).toEqual([method, 403]);
  }
  expect((await server.ask(`${NS}/secrets`, { method: "DELETE", ...anonymous })).status).toBe(403);
  expect((await server.ask(`${NS}/secrets/kept`)).status).toBe(200);
});

it("a certificate of another authority is refused, not even anonymous", async () => {
  const now_ms = Date.now();
  const stranger = await createCa({ commonName: "r2k-test", days: 1, now_ms });
  const request = {
    commonName: "admin",
    organizations: ["system:masters"],
    usages: ["client"] as const,
    days: 1,
  };
  const forged = await issueCertificate(stranger, request, now_ms);
  expect((await server.ask("/version", forged)).status).toBe(401);
});

it("an admin of a namespace reaches no object of the cluster through it (2019-11247)", async () => {
  const cluster = ["nodes", "nodes/n1", "persistentvolumes", "namespaces"].map(
    (each) => `${NS}/${each}`,
  );
  const roles = ["clusterroles", "clusterroles/cluster-admin", "clusterrolebindings"].map(
    (each) => `${RBAC}/namespaces/default/${each}`,
  );
  for (const path of [...cluster, ...roles]) {
    for (const method of ["GET", "DELETE", "PUT", "PATCH", "POST"]) {
      const headers = { "content-type": "application/merge-patch+json" };
      const body = { metadata: { name: "cluster-admin" } };
      const sent = method === "GET" || method === "DELETE" ? {} : { headers, body };
      const answer = await server.ask(path, { ...lord, method, ...sent });
      expect([method, path, answer.status < 400]).toEqual([method, path, false]);
      expect(answer.body).not.toContain(`"uid"`);
    }
  }
  expect((await server.ask(`${CORE}/nodes/n1`)).status).toBe(200);
});

it("an editor of a namespace writes no endpoints, no status of Services (2021-25740)", async () => {
  const bound = await post(`${RBAC}/namespaces/default/rolebindings`, {
    metadata: { name: "editor" },
    roleRef: { apiGroup: API_GROUP, kind: "ClusterRole", name: "system:aggregate-to-edit" },
    subjects: [{ kind: "User", apiGroup: API_GROUP, name: "editor" }],
  });
  expect(bound.status).toBe(201);
  const editor = await server.api.credentials("editor");
  const write = (path: string, body: object, method = "POST") => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    return server.ask(path, { ...editor, method, body, headers: { "content-type": type } });
  };
  const metadata = { name: "mine" };
  const service = { metadata, spec: { ports: [{ port: 80 }] } };
  await waitFor("the binding to hold", async () => {
    return (await write(`${NS}/services`, service)).status === 201;
  });
  const slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  const slice = { metadata, addressType: "IPv4", endpoints: [] };
  expect((await write(`${NS}/endpoints`, { metadata })).status).toBe(403);
  expect((await write(slices, slice)).status).toBe(403);
  expect((await write(`${NS}/services/mine/status`, { status: {} }, "PATCH")).status).toBe(403);
});

it("impersonation needs a permission for each part of the user", async () => {
  expect((await server.ask(`${CORE}/namespaces`, as({ user: "alice" }))).status).toBe(200);
  const refused: Readonly<Record<string, string>>[] = [
    { user: "admin" },
    { user: "alice", group: "system:masters" },
    { user: "alice", uid: "1" },
    { user: "alice", "extra-scopes": "all" },
    { user: "system:serviceaccount:kube-system:default" },
    { user: "system:node:n1", group: "system:nodes" },
  ];
  for (const user of refused) {
    const answer = await server.ask(`${CORE}/namespaces`, as(user));
    expect([user, answer.status]).toEqual([user, 403]);
    expect(answer.body).toMatch(/cannot impersonate(-on:[a-z-]+:list)? resource/);
  }
  expect((await server.ask(`${CORE}/namespaces`, as({ group: "system:masters" }))).status).toBe(
    400,
  );
  // An impersonated request has alice's permissions, not the agent's.
  expect((await server.ask(`${CORE}/nodes`, as({ user: "alice" }))).status).toBe(403);
  // An anonymous request cannot impersonate.
  const anonymous = { cert: "", key: "", headers: { "impersonate-user": "alice" } };
  expect((await server.ask(`${CORE}/namespaces`, anonymous)).status).toBe(403);
});

it("an impersonated name is the UTF-8 that the client sent, of several the first", async () => {
  const admin = await server.api.credentials("root", ["system:masters"]);
  const sent = (text: string) => Buffer.from(text).toString("latin1");
  const whoIs = async (headers: Record<string, string>) => {
    const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    // Beside a text Node's client sends headers in the text's encoding.
    const { body } = await server.ask(path, {
      ...admin,
      method: "POST",
      body: Buffer.from("{}"),
      headers: { ...headers, "content-type": "application/json" },
    });
    return (JSON.parse(body) as { status: { userInfo: object } }).status.userInfo;
  };
  expect(
    await whoIs({
      "impersonate-user": sent("jané"),
      "impersonate-group": sent("größe"),
      "impersonate-uid": sent("ü"),
      "impersonate-extra-%c3%a4": sent("ö"),
      "impersonate-extra-__proto__": "p",
    }),
  ).toEqual({
    username: "jané",
    groups: ["größe", "system:authenticated"],
    uid: "ü",
    extra: JSON.parse('{"ä":["ö"],"__proto__":["p"]}') as object,
  });
});

it("a list or watch of one name by a selector gives that one alone", async () => {
  await post(`${NS}/secrets`, { metadata: { name: "other" } });
  const rule = { apiGroups: [""], resources: ["secrets"], resourceNames: ["kept"], verbs: ["*"] };
  const eve = await grant("eve", "default", [rule]);
  await waitFor(
    "the right",
    async () => (await server.ask(`${NS}/secrets/kept`, eve)).status === 200,
  );
  const kept = "metadata.name=kept";
  const other = "metadata.name=other";
  await Promise.all(
    [
      `fieldSelector=${kept}`,
      `fieldSelector=${kept}&fieldSelector=${other}`,
      `fieldSelector=${other}&fieldSelector=${kept}`,
      `fieldSelector=&fieldSelector=${kept}`,
      `fieldSelector=${kept}&fieldSelector=`,
      `fieldSelector=${kept},${other}`,
      `fieldSelector=${other},${kept}`,
      `fieldSelector=metadata.name=kept\\,other`,
      `field%53elector=${kept}`,
      `FieldSelector=${kept}`,
      `fieldSelector=${kept}%20`,
      `fieldSelector=${kept}&resourceVersion=0`,
      `fieldSelector=metadata.name!=x`,
      "",
    ].map(async (query) => {
      await Promise.all(
        ["", "watch=1&timeoutSeconds=1&"].map(async (more) => {
          const { status, body } = await server.ask(`${NS}/secrets?${more}${query}`, eve);
          expect([200, 403]).toContain(status);
          if (status === 200) expect(body).not.toContain('"name":"other"');
        }),
      );
    }),
  );
});

it("the right to nodes is none to what stands behind them", async () => {
  for (const path of ["proxy/", "proxy/run/default/p/c?cmd=id", "proxy/exec/default/p/c"]) {
    for (const method of ["GET", "POST"]) {
      const answer = await server.ask(`${CORE}/nodes/n1/${path}`, { ...agent, method });
      expect([path, method, answer.status]).toEqual([path, method, 403]);
      expect(answer.body).toContain(`resource \\"nodes/proxy\\"`);
    }
  }
});

it("a policy shows no parameters that its author may not read", async () => {
  const group = "admissionregistration.k8s.io";
  const author = await grant("author", "", [
    { apiGroups: [group], resources: ["*"], verbs: ["*"] },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["get"] },
    { apiGroups: [""], resources: ["secrets"], resourceNames: ["shown"], verbs: ["get"] },
  ]);
  const path = (plural: string) => `/apis/${group}/v1/${plural}`;
  const get = async () => (await server.ask(path("validatingadmissionpolicies"), author)).status;
  await waitFor("the rights", async () => (await get()) === 200);
  const matchConstraints = {
    resourceRules: [
      { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] },
    ],
  };
  const parts = {
    validating: { validations: [{ expression: "true" }] },
    mutating: {
      reinvocationPolicy: "Never",
      mutations: [
        {
          patchType: "ApplyConfiguration",
          applyConfiguration: { expression: "Object{spec: Object.spec{hostUsers: false}}" },
        },
      ],
    },
  };
  const paramKind = (kind: string) => ({ paramKind: { apiVersion: "v1", kind } });
  const ref = { parameterNotFoundAction: "Allow" };
  for (const type of ["validating", "mutating"] as const) {
    const policies = path(`${type}admissionpolicies`);
    const bindings = path(`${type}admissionpolicybindings`);
    const spec = { matchConstraints, ...parts[type] };
    const actions = type === "validating" ? { validationActions: ["Deny"] } : {};
    const bind = (policyName: string, paramRef: object) => ({
      metadata: { name: policyName },
      spec: { policyName, ...actions, paramRef: { ...ref, ...paramRef } },
    });
    const policy = (kind: string) => ({
      metadata: { name: kind.toLowerCase() },
      spec: { ...spec, ...paramKind(kind) },
    });
    const send = async (to: string, body: object, method = "POST", by: AskOptions = author) => {
      const headers = { "content-type": "application/merge-patch+json" };
      return await server.ask(to, { ...by, method, body, ...(method === "PATCH" && { headers }) });
    };
    const refused = await send(policies, policy("Secret"));
    expect([type, refused.status]).toEqual([type, 422]);
    expect(refused.body).toContain("on all objects of the referenced paramKind (kind=Secret");
    const allowed = await send(policies, policy("ConfigMap"));
    expect(allowed.status, allowed.body).toBe(201);
    const changed = { spec: paramKind("Secret") };
    expect((await send(`${policies}/configmap`, changed, "PATCH")).status).toBe(422);
    expect((await send(policies, policy("Secret"), "POST", {})).status).toBe(201);
    const unchanged = { spec: { failurePolicy: "Ignore" } };
    expect((await send(`${policies}/secret`, unchanged, "PATCH")).status).toBe(200);
    const kept = { name: "kept", namespace: "default" };
    for (const paramRef of [kept, { name: "kept" }, { selector: {} }]) {
      const answer = await send(bindings, bind("secret", paramRef));
      expect([paramRef, answer.status]).toEqual([paramRef, 422]);
      expect(answer.body).toContain("on the object referenced by paramRef");
    }
    for (const policyName of ["missing", "", "../policies/secret", "\0"]) {
      const answer = await send(bindings, { ...bind(policyName, kept), metadata: { name: "x" } });
      expect([policyName, answer.status]).toEqual([policyName, 422]);
    }
    if (type === "validating") {
      expect((await send(`${policies}/configmap/status`, changed, "PATCH")).status).toBe(200);
    }
    expect((await send(bindings, bind("secret", { name: "shown" }))).status).toBe(201);
    // The right to get each of them is none to find them.
    expect((await send(bindings, bind("configmap", { selector: {} }))).status).toBe(422);
    const moved = { spec: { paramRef: { ...ref, ...kept } } };
    expect((await send(`${bindings}/secret`, moved, "PATCH")).status).toBe(422);
    expect((await send(bindings, bind("configmap", kept))).status).toBe(201);
    const turned = { spec: { policyName: "secret" } };
    expect((await send(`${bindings}/configmap`, turned, "PATCH")).status).toBe(422);
  }
});
