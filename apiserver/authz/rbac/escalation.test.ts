import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { beforeAll, expect, it } from "vitest";
import { ask } from "../../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { grant } from "../../testing/grant.ts";

const server = fileApiserver();
const apiGroup = "rbac.authorization.k8s.io";
const RBAC = `/apis/${apiGroup}/v1`;
const ROLES = `${RBAC}/clusterroles`;
const MERGE = { "content-type": "application/merge-patch+json" };
const SOME = [{ verbs: ["get"], apiGroups: [""], resources: ["configmaps"] }];
const ALL = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

/** A user who may write roles and bindings, and has few other rights. */
let clerk: KeyPair;
/** Holds all, without being a master. */
let holder: KeyPair;

beforeAll(async () => {
  const verbs = ["get", "create", "update", "patch"];
  const written = ["clusterroles", "clusterrolebindings"];
  clerk = await grant(server, "clerk", "", [
    { verbs, apiGroups: [apiGroup], resources: written },
    ...SOME,
  ]);
  holder = await grant(server, "holder", "", ALL);
});

async function send(user: KeyPair, method: string, path: string, body: object) {
  const headers = method === "PATCH" ? MERGE : {};
  const answer = await ask(server.api, path, { ...user, method, headers, body });
  return { status: answer.status, body: answer.body };
}

it("a role may hold what its writer holds, and no more", async () => {
  const role = (name: string, rules: object[]) => ({ metadata: { name }, rules });
  expect((await send(clerk, "POST", ROLES, role("some", SOME))).status).toBe(201);
  const refused = await send(clerk, "POST", ROLES, role("all", ALL));
  expect(refused.status).toBe(403);
  expect(refused.body).toContain("attempting to grant RBAC permissions not currently held");
  expect((await send(clerk, "PATCH", `${ROLES}/some`, { rules: ALL })).status).toBe(403);
  expect((await send(holder, "POST", ROLES, role("all", ALL))).status).toBe(201);
});

it("a rule whose lists multiply is refused, unless another covers it as it stands", async () => {
  const names = (letter: string) => Array.from({ length: 400 }, (_, i) => `${letter}${i}`);
  const [apiGroups, resources, resourceNames, verbs] = ["g", "r", "n", "v"].map(names);
  const rules = [{ apiGroups, resources, resourceNames, verbs }];
  const refused = await send(clerk, "POST", ROLES, { metadata: { name: "product" }, rules });
  expect([refused.status, refused.body]).toEqual([403, expect.stringContaining("too many")]);
  expect((await send(holder, "POST", ROLES, { metadata: { name: "product" }, rules })).status).toBe(
    201,
  );
});

it("a label that makes others hold a role needs what the role holds", async () => {
  const label = { metadata: { labels: { [`${apiGroup}/aggregate-to-view`]: "true" } } };
  expect((await send(clerk, "PATCH", `${ROLES}/cluster-admin`, label)).status).toBe(403);
  expect((await send(holder, "PATCH", `${ROLES}/system:node-problem-detector`, label)).status).toBe(
    200,
  );
});

it("a user that may write roles may delete them, whatever their rules are", async () => {
  const ending = { metadata: { finalizers: ["example.com/last-look"] } };
  expect((await send(clerk, "PATCH", `${ROLES}/cluster-admin`, ending)).status).toBe(200);
});

it("a role that is made of others needs all there is", async () => {
  const body = (name: string) => ({
    metadata: { name },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { any: "thing" } }] },
    rules: [],
  });
  const refused = await send(clerk, "POST", ROLES, body("collector"));
  expect(refused.status).toBe(403);
  expect(refused.body).toContain("must have cluster-admin privileges to use the aggregationRule");
  expect((await send(holder, "POST", ROLES, body("collector"))).status).toBe(201);
  const selectors = { aggregationRule: { clusterRoleSelectors: [{}] } };
  expect((await send(clerk, "PATCH", `${ROLES}/collector`, selectors)).status).toBe(403);
  expect((await send(clerk, "PATCH", `${ROLES}/collector`, { aggregationRule: null })).status).toBe(
    403,
  );
});

it("a binding needs what its role holds, or the right to bind it", async () => {
  const binding = (name: string, role: string) => ({
    metadata: { name },
    subjects: [{ kind: "User", apiGroup, name: "clerk" }],
    roleRef: { apiGroup, kind: "ClusterRole", name: role },
  });
  const bindings = `${RBAC}/clusterrolebindings`;
  expect((await send(clerk, "POST", bindings, binding("b1", "cluster-admin"))).status).toBe(403);
  expect((await send(clerk, "POST", bindings, binding("b2", "nothing"))).status).toBe(404);
  const bind = [
    { verbs: ["create"], apiGroups: [apiGroup], resources: ["clusterrolebindings"] },
    {
      verbs: ["bind"],
      apiGroups: [apiGroup],
      resources: ["clusterroles"],
      resourceNames: ["edit"],
    },
  ];
  const binder = await grant(server, "binder", "", bind);
  expect((await send(binder, "POST", bindings, binding("b3", "edit"))).status).toBe(201);
  expect((await send(binder, "POST", bindings, binding("b4", "cluster-admin"))).status).toBe(403);
});
