import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Case, Recorder } from "../recorder.ts";

const AUTHORIZATION = "/apis/authorization.k8s.io/v1";
const AUTHENTICATION = "/apis/authentication.k8s.io/v1";

/** Lets a user of the case do something, and waits until the server knows. */
async function grant(recorder: Recorder, name: string, rules: PolicyRule[]): Promise<void> {
  const { post, peek, ns } = recorder;
  const user = `${name}-${ns}`;
  await post("rbac.authorization.k8s.io/v1:roles", { metadata: { name }, rules });
  await post("rbac.authorization.k8s.io/v1:rolebindings", {
    metadata: { name },
    subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: user }],
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
  });
  const [{ verbs, apiGroups = [], resources = [] }] = rules as [PolicyRule];
  const verb = verbs[0] === "*" ? "get" : verbs[0];
  const asked = { namespace: ns, verb, group: apiGroups[0], resource: resources[0] };
  const body = { spec: { user, resourceAttributes: asked } };
  const allowed = async () => {
    const { status } = await peek("POST", `${AUTHORIZATION}/subjectaccessreviews`, { body });
    return (status as { allowed: boolean }).allowed;
  };
  await waitFor("the grant", allowed, { clock: systemClock() });
}

/** Reviews of one namespace, of rules, and a dry run of one. */
async function recordOtherReviews(
  { post, ns }: Recorder,
  user: string,
  may: object,
): Promise<void> {
  const local = "authorization.k8s.io/v1:localsubjectaccessreviews";
  await post(local, { spec: { user, resourceAttributes: may } });
  await post(local, { spec: { user, resourceAttributes: { ...may, namespace: "other" } } });
  await post(local, { metadata: { namespace: ns }, spec: { user, resourceAttributes: may } });
  await post(local, { spec: { user, nonResourceAttributes: { path: "/", verb: "get" } } });
  await post(
    `${AUTHORIZATION}/selfsubjectrulesreviews`,
    { spec: { namespace: ns } },
    { headers: { "impersonate-user": user } },
  );
  await post(`${AUTHORIZATION}/selfsubjectrulesreviews`, { spec: {} });
  await post(`${AUTHORIZATION}/subjectaccessreviews?dryRun=All`, {
    spec: { user, resourceAttributes: may },
  });
}

/** Whether a node may list pods depends on which it asks for. */
async function recordSelectors(review: (kind: string, spec: object) => Promise<unknown>) {
  const mine = { key: "spec.nodeName", operator: "In", values: ["n1"] };
  const selectors = [
    { rawSelector: "spec.nodeName=n1" },
    { rawSelector: "spec.nodeName=n2" },
    { rawSelector: "spec.nodeName" },
    { requirements: [mine] },
    { requirements: [{ ...mine, operator: "NotIn" }] },
    { requirements: [{ ...mine, values: ["n1", "n2"] }] },
    { requirements: [{ key: "spec.nodeName", operator: "Exists" }, mine] },
    { requirements: [{ ...mine, values: ["n1,a=b"] }] },
  ];
  for (const fieldSelector of selectors) {
    await review("subjectaccessreviews", {
      user: "system:node:n1",
      groups: ["system:nodes"],
      resourceAttributes: { verb: "list", resource: "pods", fieldSelector },
    });
  }
  const known = { key: "a", operator: "Exists" };
  const odd = { key: "a", operator: "Near", values: ["b"] };
  for (const labelSelector of [
    { rawSelector: "a in b" },
    { requirements: [known, odd] },
    { requirements: [odd] },
  ]) {
    const resourceAttributes = { verb: "list", resource: "pods", labelSelector };
    await review("selfsubjectaccessreviews", { resourceAttributes });
  }
}

export const REVIEWS: readonly Case[] = [
  {
    name: "reviews: access",
    async run(recorder) {
      const { post, ns, get } = recorder;
      await grant(recorder, "reader", [
        {
          apiGroups: [""],
          resources: ["configmaps", "pods/log"],
          verbs: ["get", "list"],
          resourceNames: [],
        },
      ]);
      const user = `reader-${ns}`;
      const review = (kind: string, spec: object, path = `${AUTHORIZATION}/${kind}`) =>
        post(path, { spec });
      const may = { namespace: ns, verb: "get", resource: "configmaps" };
      await review("subjectaccessreviews", { user, resourceAttributes: may });
      await review("subjectaccessreviews", {
        user,
        resourceAttributes: { ...may, verb: "delete" },
      });
      await review("subjectaccessreviews", {
        user,
        resourceAttributes: { ...may, resource: "pods", subresource: "log" },
      });
      await review("subjectaccessreviews", { user, resourceAttributes: { ...may, namespace: "" } });
      await review("subjectaccessreviews", { groups: ["system:masters"], resourceAttributes: may });
      await review("subjectaccessreviews", {
        user,
        groups: ["system:authenticated"],
        nonResourceAttributes: { path: "/version", verb: "get" },
      });
      await review("subjectaccessreviews", {
        user,
        nonResourceAttributes: { path: "/logs", verb: "get" },
      });
      await review("subjectaccessreviews", { resourceAttributes: may });
      await review("subjectaccessreviews", { user });
      await review("subjectaccessreviews", {
        user,
        resourceAttributes: may,
        nonResourceAttributes: { path: "/", verb: "get" },
      });
      await review("subjectaccessreviews", {
        user: "system:node:n1",
        groups: ["system:nodes"],
        resourceAttributes: { verb: "get", resource: "secrets", namespace: ns, name: "s" },
      });
      await recordSelectors(review);
      await review("subjectaccessreviews", {
        user,
        resourceAttributes: { ...may, labelSelector: { rawSelector: "a=b" } },
      });
      await review("selfsubjectaccessreviews", { resourceAttributes: may });
      await review("selfsubjectaccessreviews", {});
      await post(
        `${AUTHORIZATION}/selfsubjectaccessreviews`,
        { spec: { resourceAttributes: may } },
        { headers: { "impersonate-user": user } },
      );
      await post(`${AUTHORIZATION}/selfsubjectaccessreviews`, {
        metadata: { name: "named" },
        spec: { resourceAttributes: may },
      });
      await recordOtherReviews(recorder, user, may);
      await get(`${AUTHORIZATION}/subjectaccessreviews`);
      await get(`${AUTHORIZATION}/subjectaccessreviews/x`);
    },
  },
  {
    name: "reviews: who",
    async run({ post, get }) {
      await post(`${AUTHENTICATION}/selfsubjectreviews`, {});
      const headers = {
        "impersonate-user": "someone",
        "impersonate-group": "crowd",
        "impersonate-extra-reason": "test",
      };
      await post(`${AUTHENTICATION}/selfsubjectreviews`, {}, { headers });
      await post(
        `${AUTHENTICATION}/selfsubjectreviews`,
        {},
        { headers: { "impersonate-user": "system:serviceaccount:a:b" } },
      );
      await post(
        `${AUTHENTICATION}/selfsubjectreviews`,
        {},
        { headers: { "impersonate-group": "crowd" } },
      );
      await post(`${AUTHENTICATION}/selfsubjectreviews`, {}, { anonymous: true });
      await post(`${AUTHENTICATION}/tokenreviews`, { spec: { token: "nonsense" } });
      await post(`${AUTHENTICATION}/tokenreviews`, { spec: {} });
      await post(`${AUTHENTICATION}/tokenreviews`, {
        metadata: { name: "n" },
        spec: { token: "a.b.c" },
      });
      await get(`${AUTHENTICATION}/tokenreviews`);
      await get("configmaps", { anonymous: true });
      await get("/version", { anonymous: true });
      await get("/healthz", { anonymous: true });
      await get("/api", { anonymous: true });
      await get("configmaps", { anonymous: true, headers: { authorization: "Bearer nonsense" } });
      await get("configmaps", { anonymous: true, headers: { authorization: "Basic YTpi" } });
    },
  },
  {
    name: "reviews: refusals",
    async run(recorder) {
      const { get, post, put, patch, delete: remove, ask, ns } = recorder;
      await grant(recorder, "nobody", [
        { apiGroups: [""], resources: ["configmaps"], verbs: ["get", "create"] },
      ]);
      const sent = { headers: { "impersonate-user": `nobody-${ns}` } };
      await get("pods", sent);
      await get("pods/p", sent);
      await get("/api/v1/pods", sent);
      await get("/api/v1/nodes", sent);
      await get("/api/v1/nodes/n", sent);
      await get("pods?watch=1", sent);
      await get("apps/v1:deployments/d", sent);
      await get("apps/v1:deployments/d/scale", sent);
      await post("pods", {}, sent);
      await put("pods/p", {}, sent);
      await ask("PATCH", "pods/p", { ...sent, body: {}, type: "application/merge-patch+json" });
      await remove("pods/p", undefined, sent);
      await remove("pods", undefined, sent);
      await get("pods/p/log", sent);
      await ask("POST", "pods/p/exec", sent);
      await get("/logs", sent);
      await get("/metrics", sent);
      await get("/api/v1/namespaces/nowhere/configmaps", sent);
      await get("configmaps/missing", sent);
      await post("configmaps", { metadata: { name: "x" } }, sent);
      await patch("configmaps/x", "merge", {});
      await post("pods", {}, { headers: { ...sent.headers, "impersonate-uid": "u" } });
      const other = { headers: { ...sent.headers, "impersonate-user": "root" }, anonymous: true };
      await get("pods", other);
    },
  },
  {
    name: "reviews: escalation",
    async run(recorder) {
      const { ns, post, get } = recorder;
      const rbac = {
        apiGroups: ["rbac.authorization.k8s.io"],
        resources: ["roles", "rolebindings"],
        verbs: ["*"],
      };
      await grant(recorder, "granter", [
        rbac,
        { apiGroups: [""], resources: ["configmaps"], verbs: ["get"] },
      ]);
      const sent = { headers: { "impersonate-user": `granter-${ns}` } };
      const role = (name: string, rules: object[]) =>
        post("rbac.authorization.k8s.io/v1:roles", { metadata: { name }, rules }, sent);
      await role("more", [
        { apiGroups: [""], resources: ["configmaps", "secrets"], verbs: ["get", "list"] },
      ]);
      const bind = (name: string, roleRef: object) =>
        post(
          "rbac.authorization.k8s.io/v1:rolebindings",
          { metadata: { name }, roleRef, subjects: [] },
          sent,
        );
      const ref = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" };
      await bind("high", ref);
      await bind("low", { ...ref, kind: "Role", name: "fine" });
      await bind("missing", { ...ref, kind: "Role", name: "none-such" });
      await bind("bad", { ...ref, kind: "Pod" });
      await bind("bad2", { name: "x" });
      await get("rbac.authorization.k8s.io/v1:rolebindings/low");
      await role("verbless", [{ apiGroups: [""], resources: ["pods"], verbs: [] }]);
      await role("urls", [{ nonResourceURLs: ["/x"], verbs: ["get"] }]);
      await post("/apis/rbac.authorization.k8s.io/v1/clusterroles", {
        metadata: { name: "reviews-aggregate" },
        aggregationRule: { clusterRoleSelectors: [] },
        rules: [],
      });
    },
  },
];
