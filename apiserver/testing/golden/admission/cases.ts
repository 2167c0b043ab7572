import { readFileSync } from "node:fs";
import { join } from "node:path";

export type Json = { [key: string]: unknown };

/** Objects that are made, and then pods and others that are tried without being kept. */
export interface Case {
  name: string;
  made: readonly Sent[];
  tried: readonly (Sent & { name: string })[];
}

interface Sent {
  path: string;
  body: Json;
  /** PATCH sends a merge patch. Default POST. */
  method?: "POST" | "PATCH";
  /** The requester, with all rights. Default: the recorder. */
  as?: string;
}

interface Read {
  /** Specs of pods by the feature that they show. */
  pods: Readonly<Record<string, Json>>;
  ranges: Readonly<Record<string, Json>>;
  limited: Readonly<Record<string, Json>>;
  claims: Readonly<Record<string, Json>>;
  classes: Readonly<Record<string, Json>>;
  classed: Readonly<Record<string, Json>>;
}

const { pods, ranges, limited, claims, classes, classed } = JSON.parse(
  readFileSync(join(import.meta.dirname, "cases.json"), "utf8"),
) as Read;

const POLICY = "pod-security.kubernetes.io";

export function namespace(name: string, labels: Json = {}): Case["made"] {
  return [
    { path: "/api/v1/namespaces", body: { metadata: { name, labels } } },
    { path: `/api/v1/namespaces/${name}/serviceaccounts`, body: { metadata: { name: "default" } } },
  ];
}

function tries(namespaceName: string, specs: Readonly<Record<string, Json>>): Case["tried"] {
  return Object.entries(specs).map(([name, { annotations, ...spec }]) => ({
    name,
    path: `/api/v1/namespaces/${namespaceName}/pods`,
    body: {
      metadata: { name: "p", ...(annotations === undefined ? {} : { annotations }) },
      spec: { automountServiceAccountToken: false, ...spec },
    },
  }));
}

/** Pods of a file, tried in a namespace with these labels. */
export function level(name: string, labels: Json): Case {
  return { name, made: namespace(name, labels), tried: tries(name, pods) };
}

const template = (spec: Json) => ({
  selector: { matchLabels: { a: "b" } },
  template: { metadata: { labels: { a: "b" } }, spec },
});

const badLabels: Case["tried"] = [
  { [`${POLICY}/enforce`]: "strict" },
  { [`${POLICY}/warn-version`]: "1.20" },
  { [`${POLICY}/audit`]: "x", [`${POLICY}/audit-version`]: "v2.1" },
].map((labels, index) => ({
  name: `labels ${index}`,
  path: "/api/v1/namespaces",
  body: { metadata: { name: "bad", labels } },
}));

/** Scenes about pods. */
export const POD_CASES: readonly Case[] = [
  level("baseline", { [`${POLICY}/enforce`]: "baseline" }),
  level("restricted", { [`${POLICY}/enforce`]: "restricted" }),
  level("restricted-old", {
    [`${POLICY}/enforce`]: "restricted",
    [`${POLICY}/enforce-version`]: "v1.18",
  }),
  level("warned", { [`${POLICY}/warn`]: "restricted", [`${POLICY}/enforce`]: "baseline" }),
  {
    name: "deployments",
    made: namespace("deployments", { [`${POLICY}/enforce`]: "restricted" }),
    tried: Object.entries(pods).map(([name, { annotations: _none, ...spec }]) => ({
      name,
      path: "/apis/apps/v1/namespaces/deployments/deployments",
      body: { metadata: { name: "d" }, spec: template(spec) },
    })),
  },
  { name: "labels", made: [], tried: badLabels },
  ...Object.entries(ranges).map(([name, spec]) => ({
    name,
    made: [
      ...namespace(name),
      { path: `/api/v1/namespaces/${name}/limitranges`, body: { metadata: { name: "l" }, spec } },
    ],
    tried: [
      ...tries(name, limited),
      ...Object.entries(claims).map(([claim, body]) => ({
        name: claim,
        path: `/api/v1/namespaces/${name}/persistentvolumeclaims`,
        body: { metadata: { name: "c" }, spec: body },
      })),
    ],
  })),
  {
    name: "classes",
    made: [
      ...namespace("classes"),
      ...Object.entries(classes).map(([name, body]) => ({
        path: "/apis/node.k8s.io/v1/runtimeclasses",
        body: { metadata: { name }, ...body },
      })),
    ],
    tried: tries("classes", classed),
  },
];
