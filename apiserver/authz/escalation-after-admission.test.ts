import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { jsonPatch, messageOf, rule, WebhookKit } from "../testing/webhooks.ts";

const GROUP = "rbac.authorization.k8s.io";
const RBAC = `/apis/${GROUP}/v1`;
const ROLES = `${RBAC}/namespaces/default/roles`;

const server = fileApiserver();
const webhooks = new WebhookKit(server);
/** A user who may write roles, and read pods. */
let writer: KeyPair;

beforeAll(async () => {
  const create = (path: string, body: object) => server.ask(path, { method: "POST", body });
  const name = "writer";
  const metadata = { name };
  const verbs = ["get", "list", "create", "patch"];
  const rules = [
    { apiGroups: [GROUP], resources: ["roles"], verbs },
    { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
  ];
  await create(ROLES, { metadata, rules });
  await create(`${RBAC}/namespaces/default/rolebindings`, {
    metadata,
    roleRef: { apiGroup: GROUP, kind: "Role", name },
    subjects: [{ kind: "User", apiGroup: GROUP, name }],
  });
  writer = await server.api.credentials(name);
  const holds = async () => (await server.ask(ROLES, writer)).status === 200;
  await waitFor("the binding to hold", holds);
});

it("a mutating webhook grants no rights that the writer of a role lacks", async () => {
  const name = "grants";
  await webhooks.configure("mutating", name, {
    rules: [rule({ apiGroups: [GROUP], resources: ["roles"] })],
  });
  await webhooks.active(name, () =>
    webhooks.post("probe", { [name]: "yes" }, "?dryRun=All", ROLES),
  );
  let resource = "secrets";
  webhooks.answers.set(name, () => {
    const rules = [{ apiGroups: [""], resources: [resource], verbs: ["get"] }];
    return jsonPatch({ op: "add", path: "/rules", value: rules });
  });
  const create = (role: string, labels: object) =>
    server.ask(ROLES, { ...writer, method: "POST", body: { metadata: { name: role, labels } } });
  const patch = () => {
    const headers = { "content-type": "application/merge-patch+json" };
    const body = { metadata: { labels: { [name]: "yes" } } };
    return server.ask(`${ROLES}/plain`, { ...writer, method: "PATCH", body, headers });
  };
  const refusal = "is attempting to grant RBAC permissions not currently held";
  const refused = await create("filled", { [name]: "yes" });
  expect([refused.status, messageOf(refused)]).toEqual([403, expect.stringContaining(refusal)]);
  expect((await create("plain", {})).status).toBe(201);
  const changed = await patch();
  expect([changed.status, messageOf(changed)]).toEqual([403, expect.stringContaining(refusal)]);
  resource = "pods";
  expect((await create("filled", { [name]: "yes" })).status).toBe(201);
  expect((await patch()).status).toBe(200);
});
