import type {
  NonResourcePolicyRule,
  ResourcePolicyRule,
  Subject,
} from "@raft2kube/api/gen/flowcontrol/v1.ts";
import { expect, it } from "vitest";
import { type Digest, matches } from "./match.ts";

const BOT = "system:serviceaccount:team:bot";
const ALL = ["*"];
const WEB = {
  resourceRequest: true,
  verb: "get",
  path: "/apis/apps/v1/namespaces/team/deployments/web",
  group: "apps",
  namespace: "team",
  resource: "deployments",
  subresource: "",
};

const SCALE = { subresource: "scale" };

const account = (namespace: string, name: string): Subject => ({
  kind: "ServiceAccount",
  serviceAccount: { namespace, name },
});

it.each<[boolean, string, Subject, Digest["user"]]>([
  [true, "a user", { kind: "User", user: { name: "a" } }, { name: "a", groups: [] }],
  [false, "another user", { kind: "User", user: { name: "a" } }, { name: "b", groups: ["a"] }],
  [true, "any user", { kind: "User", user: { name: "*" } }, { name: "b", groups: [] }],
  [true, "a group", { kind: "Group", group: { name: "g" } }, { name: "a", groups: ["f", "g"] }],
  [false, "another group", { kind: "Group", group: { name: "g" } }, { name: "g", groups: ["f"] }],
  [true, "any group", { kind: "Group", group: { name: "*" } }, { name: "a", groups: [] }],
  [true, "an account", account("team", "bot"), { name: BOT, groups: [] }],
  [false, "another account", account("team", "bo"), { name: BOT, groups: [] }],
  [true, "any account of a namespace", account("team", "*"), { name: BOT, groups: [] }],
  [false, "any of another namespace", account("tea", "*"), { name: BOT, groups: [] }],
  [false, "an account by a user's name", account("team", "bot"), { name: "bot", groups: [] }],
  [false, "a kind without its member", { kind: "ServiceAccount" }, { name: BOT, groups: [] }],
])("%s: the subject is %s", (expected, _, subject, user) => {
  const resourceRules = [{ verbs: ALL, apiGroups: ALL, resources: ALL, namespaces: ALL }];
  const rules = [{ subjects: [subject], resourceRules }];
  expect(matches({ rules }, { user, info: WEB })).toBe(expected);
});

it.each<[boolean, string, Partial<ResourcePolicyRule>, Partial<Digest["info"]>]>([
  [true, "all", {}, {}],
  [true, "each member named", { verbs: ["list", "get"], apiGroups: ["apps"] }, {}],
  [false, "another verb", { verbs: ["list"] }, {}],
  [false, "another group", { apiGroups: [""] }, {}],
  [true, "the core group by its empty name", { apiGroups: [""] }, { group: "" }],
  [true, "a resource of several", { resources: ["pods", "deployments"] }, {}],
  [false, "a resource, asked for its subresource", { resources: ["deployments"] }, SCALE],
  [true, "the subresource", { resources: ["deployments/scale"] }, SCALE],
  [false, "the subresource alone", { resources: ["deployments/scale"] }, {}],
  [true, "a namespace of several", { namespaces: ["a", "team"] }, {}],
  [false, "other namespaces", { namespaces: ["a", "b"] }, {}],
  [false, "no namespace", { namespaces: [] }, {}],
  [false, "all namespaces, asked for none", {}, { namespace: "" }],
  [true, "no namespace, asked for none", { namespaces: [], clusterScope: true }, { namespace: "" }],
  [false, "no namespace, asked for one", { namespaces: [], clusterScope: true }, {}],
  [false, "resources, asked for a path", { clusterScope: true }, { resourceRequest: false }],
])("%s: the resource rule has %s", (expected, _, rule, info) => {
  const all = { verbs: ALL, apiGroups: ALL, resources: ALL, namespaces: ALL };
  const subjects = [{ kind: "User", user: { name: "*" } }];
  const rules = [{ subjects, resourceRules: [{ ...all, ...rule }] }];
  const user = { name: "a", groups: [] };
  expect(matches({ rules }, { user, info: { ...WEB, ...info } })).toBe(expected);
});

it.each<[boolean, Partial<NonResourcePolicyRule>, string]>([
  [true, { nonResourceURLs: ALL }, "/version"],
  [true, { nonResourceURLs: ["/healthz", "/version"] }, "/version"],
  [false, { nonResourceURLs: ["/version"] }, "/version/more"],
  [true, { nonResourceURLs: ["/healthz/*"] }, "/healthz/etcd"],
  [false, { nonResourceURLs: ["/healthz/*"] }, "/healthz"],
  [false, { nonResourceURLs: ["/healthz/*"] }, "/healthzother"],
  [false, { nonResourceURLs: ["/health*"] }, "/healthz"],
  [false, { nonResourceURLs: ALL, verbs: ["post"] }, "/version"],
])("%s: the path rule %j, asked for %s", (expected, rule, path) => {
  const nonResourceRules = [{ verbs: ALL, nonResourceURLs: [], ...rule }];
  const rules = [{ subjects: [{ kind: "User", user: { name: "*" } }], nonResourceRules }];
  const info = { ...WEB, resourceRequest: false, path, namespace: "", resource: "" };
  expect(matches({ rules }, { user: { name: "a", groups: [] }, info })).toBe(expected);
});

it("a schema without rules matches nothing; of several rules one is enough", () => {
  const digest = { user: { name: "a", groups: [] }, info: WEB };
  expect(matches({}, digest)).toBe(false);
  const resourceRules = [{ verbs: ALL, apiGroups: ALL, resources: ALL, namespaces: ALL }];
  const of = (name: string) => ({ subjects: [{ kind: "User", user: { name } }], resourceRules });
  expect(matches({ rules: [of("b"), of("a")] }, digest)).toBe(true);
});
