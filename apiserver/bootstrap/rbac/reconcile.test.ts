import { expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import type { Binding, Role } from "../../authz/rbac/policy.ts";

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";
const LABEL = "kubernetes.io/bootstrapping";

const server = fileApiserver();

async function patch(path: string, body: object): Promise<void> {
  const headers = { "content-type": "application/merge-patch+json" };
  const answer = await server.ask(`${RBAC}/${path}`, { method: "PATCH", headers, body });
  expect(answer.status, answer.body).toBe(200);
}

async function get<T>(path: string): Promise<T> {
  const { status, body } = await server.ask(`${RBAC}/${path}`);
  expect(status, body).toBe(200);
  return JSON.parse(body) as T;
}

const kept = { metadata: { annotations: { [AUTOUPDATE]: "false" } } };
const more = { apiGroups: ["r2k.test"], resources: ["things"], verbs: ["get"] };

it("a start gives roles and bindings back what they lost, unless a user forbids it", async () => {
  const proxier = await get<Role>("clusterroles/system:node-proxier");
  await patch("clusterroles/system:node-proxier", { metadata: { labels: { [LABEL]: null } } });
  await patch("clusterroles/system:node-proxier", { rules: [...proxier.rules!.slice(1), more] });
  await patch("clusterroles/system:heapster", { ...kept, rules: [] });
  await patch("clusterroles/view", { aggregationRule: null });
  await patch("clusterrolebindings/system:discovery", { subjects: [] });
  await patch("clusterrolebindings/system:monitoring", { ...kept, subjects: [] });
  const reader = "namespaces/kube-system/roles/extension-apiserver-authentication-reader";
  await patch(reader, { rules: [] });

  await server.api.restart();

  const mended = await get<Role>("clusterroles/system:node-proxier");
  // Added rules stay; each missing one is appended.
  expect(mended.rules).toEqual([
    ...proxier.rules!.slice(1),
    more,
    ...["endpoints", "services"].flatMap((resource) =>
      ["list", "watch"].map((verb) => ({ apiGroups: [""], resources: [resource], verbs: [verb] })),
    ),
  ]);
  expect(mended.metadata.labels?.[LABEL]).toBe("rbac-defaults");
  expect((await get<Role>("clusterroles/system:heapster")).rules ?? []).toEqual([]);
  expect((await get<Role>("clusterroles/view")).aggregationRule?.clusterRoleSelectors).toEqual([
    { matchLabels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
  ]);
  const { subjects } = await get<Binding>("clusterrolebindings/system:discovery");
  expect(subjects?.map(({ name }) => name)).toEqual(["system:authenticated"]);
  expect((await get<Binding>("clusterrolebindings/system:monitoring")).subjects ?? []).toEqual([]);
  expect((await get<Role>(reader)).rules).toHaveLength(3);
});

it("a binding to another role is created again", async () => {
  const path = "clusterrolebindings/system:basic-user";
  const before = await get<Binding>(path);
  await server.ask(`${RBAC}/${path}`, { method: "DELETE" });
  const { uid: _uid, resourceVersion: _revision, ...metadata } = before.metadata;
  const elsewhere = { ...before, metadata, roleRef: { ...before.roleRef, name: "view" } };
  const made = await server.ask(`${RBAC}/clusterrolebindings`, { method: "POST", body: elsewhere });
  expect(made.status, made.body).toBe(201);

  await server.api.restart();

  expect((await get<Binding>(path)).roleRef.name).toBe("system:basic-user");
});

it("a start that finds everything in place writes nothing", async () => {
  const before = await get<Role>("clusterroles/system:discovery");
  await server.api.restart();
  const after = await get<Role>("clusterroles/system:discovery");
  expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
});
