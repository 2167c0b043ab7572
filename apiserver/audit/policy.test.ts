import { expect, it } from "vitest";
import { parseRequestInfo } from "../request/request-info.ts";
import { extentOf, readAuditPolicy } from "./policy.ts";

const policy = (rules: string, more = "") =>
  readAuditPolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\n${more}\nrules:\n${rules}`);

const RULES = `
- { level: None, users: [quiet], verbs: [get] }
- { level: None, nonResourceURLs: ["/healthz*", /version] }
- { level: Metadata, resources: [{ resources: [secrets, configmaps] }], omitStages: [Panic] }
- { level: Request, namespaces: [team], resources: [{ resources: ["pods/*"] }] }
- { level: RequestResponse, resources: [{ group: apps, resources: ["*"] }] }
- { level: Metadata, resources: [{ resources: [pods], resourceNames: [web] }] }
- { level: Request, userGroups: [auditors], omitManagedFields: false }
`;

it.each<[string, string, string, string[], string]>([
  ["quiet", "GET", "/api/v1/namespaces/a/secrets/x", [], "None"],
  ["quiet", "DELETE", "/api/v1/namespaces/a/secrets/x", [], "Metadata"],
  ["a", "GET", "/healthz/ping", [], "None"],
  ["a", "GET", "/versions", [], "None"],
  ["a", "POST", "/api/v1/namespaces/team/pods/x/exec", [], "Request"],
  ["a", "POST", "/api/v1/namespaces/other/pods/x/exec", [], "None"],
  ["a", "PUT", "/apis/apps/v1/namespaces/a/deployments/x", [], "RequestResponse"],
  ["a", "PUT", "/apis/apps/v1/namespaces/a/deployments/x/scale", [], "RequestResponse"],
  ["a", "DELETE", "/api/v1/namespaces/a/pods/web", [], "Metadata"],
  ["a", "DELETE", "/api/v1/namespaces/a/pods/other", [], "None"],
  ["a", "GET", "/version", ["auditors"], "None"],
  ["a", "GET", "/openapi/v2", ["auditors"], "Request"],
])("%s %s %s", async (name, method, path, groups, level) => {
  const info = parseRequestInfo(method, path, new URLSearchParams());
  expect(extentOf(await policy(RULES), { user: { name, groups }, info }).level).toBe(level);
});

it("stages and managed fields of the policy are those of its rules", async () => {
  const read = await policy(RULES, "omitStages: [RequestReceived]\nomitManagedFields: true");
  const of = (path: string, groups: string[]) =>
    extentOf(read, {
      user: { name: "a", groups },
      info: parseRequestInfo("GET", path, new URLSearchParams()),
    });
  expect(of("/api/v1/namespaces/a/secrets/x", [])).toMatchObject({
    omitStages: ["RequestReceived", "Panic"],
    omitManagedFields: true,
  });
  expect(of("/openapi/v2", ["auditors"]).omitManagedFields).toBe(false);
});

it.each<[string, string]>([
  ["- { level: Everything }", "rules[0].level: must be one of"],
  ["- { level: None, who: [a] }", "rules[0].who: is not a field of it"],
  ["- { level: None, omitStages: [Later] }", "rules[0].omitStages[0]: must be one of"],
  [
    "- { level: None, users: a }",
    "cannot unmarshal string into Go struct field PolicyRule.rules.users",
  ],
  ["- { level: None, resources: [{ group: apps/v1 }] }", "rules[0].resources[0].group"],
  [
    "- { level: None, resources: [{ resourceNames: [a] }] }",
    "rules[0].resources[0].resourceNames: using resourceNames requires at least one resource",
  ],
  [
    "- { level: None, namespaces: [a], nonResourceURLs: [/a] }",
    "rules[0].nonResourceURLs: rules cannot apply to both",
  ],
  ["- { level: None, nonResourceURLs: [a] }", "must begin with a '/' character"],
  ["- { level: None, nonResourceURLs: ['/a*b'] }", "must be the final character of the rule"],
  [" []", "rules: must be a list that is not empty"],
])("a policy with %s is refused by its field", async (rules, why) => {
  await expect(policy(rules)).rejects.toThrow(why);
});

it("a file of another kind is refused", async () => {
  await expect(
    readAuditPolicy("apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: []"),
  ).rejects.toThrow("Policy: kind: must be Policy of audit.k8s.io/v1");
});
