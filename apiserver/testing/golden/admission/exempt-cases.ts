import { join } from "node:path";
import { type Case, type Json, level, namespace } from "./cases.ts";

/** The configuration of both servers for these cases. */
export const EXEMPT_CONFIG = join(import.meta.dirname, "exempt.yaml");

const FREE_USER = "system:serviceaccount:builder:free";
const POLICY = "pod-security.kubernetes.io";
const RESTRICTED = { [`${POLICY}/enforce`]: "restricted" };
const CONTAINERS = [{ name: "c", image: "i", securityContext: { privileged: true } }];
const SPEC = { automountServiceAccountToken: false, containers: CONTAINERS };

function pod(name: string, where: string, more: Json = {}, as?: string): Case["tried"][number] {
  return {
    name,
    path: `/api/v1/namespaces/${where}/pods`,
    body: { metadata: { name: "p" }, spec: { ...SPEC, ...more } },
    ...(as === undefined ? {} : { as }),
  };
}

/** A pod that is there already. */
function there(where: string, more: Json): Case["made"][number] {
  const body = { metadata: { name: "there" }, spec: { ...SPEC, ...more } };
  return { path: `/api/v1/namespaces/${where}/pods`, body };
}

function deployment(name: string, where: string, more: Json, as?: string): Case["tried"][number] {
  const labels = { app: "web" };
  const template = { metadata: { labels }, spec: { ...SPEC, ...more } };
  return {
    name,
    path: `/apis/apps/v1/namespaces/${where}/deployments`,
    body: { metadata: { name: "d" }, spec: { selector: { matchLabels: labels }, template } },
    ...(as === undefined ? {} : { as }),
  };
}

function labelled(name: string, namespaceName: string, labels: Json): Case["tried"][number] {
  return { name, path: "/api/v1/namespaces", body: { metadata: { name: namespaceName, labels } } };
}

function relabelled(name: string, where: string, labels: Json): Case["tried"][number] {
  const path = `/api/v1/namespaces/${where}`;
  return { name, path, method: "PATCH", body: { metadata: { labels } } };
}

const runtimeClass = (name: string): Case["made"][number] => ({
  path: "/apis/node.k8s.io/v1/runtimeclasses",
  body: { metadata: { name }, handler: name },
});

/** Namespaces, users and runtime classes that are not looked at, and defaults where labels lack. */
export const EXEMPT_CASES: readonly Case[] = [
  {
    ...level("defaults", {}),
    made: [...namespace("defaults"), runtimeClass("sandboxed"), runtimeClass("plain")],
  },
  {
    name: "exempt",
    made: [
      ...namespace("strict", RESTRICTED),
      ...namespace("free", RESTRICTED),
      there("strict", { runtimeClassName: "sandboxed" }),
      there("free", {}),
    ],
    tried: [
      pod("in a namespace that is not exempt", "strict"),
      pod("in one that is", "free"),
      pod("by a user who is", "strict", {}, FREE_USER),
      pod("by another", "strict", {}, "system:serviceaccount:builder:other"),
      pod("of a runtime class that is", "strict", { runtimeClassName: "sandboxed" }),
      pod("of another", "strict", { runtimeClassName: "plain" }),
      deployment("deployment, not exempt", "strict", {}),
      deployment("deployment in an exempt namespace", "free", {}),
      deployment("deployment of an exempt class", "strict", { runtimeClassName: "sandboxed" }),
      deployment("deployment by an exempt user", "strict", {}, FREE_USER),
      labelled("labels of an exempt namespace", "also-free", RESTRICTED),
      labelled("all its labels", "also-free", {
        ...RESTRICTED,
        [`${POLICY}/enforce-version`]: "v1.30",
        [`${POLICY}/audit`]: "baseline",
        [`${POLICY}/warn`]: "privileged",
      }),
      labelled("an exempt namespace without", "also-free", {}),
      relabelled("stricter, exempt", "free", { [`${POLICY}/enforce-version`]: "v1.30" }),
      relabelled("stricter, its pods exempt", "strict", { [`${POLICY}/enforce-version`]: "v1.30" }),
    ],
  },
];
