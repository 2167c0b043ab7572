import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";

/** One request of a sequence. Its answer, and then the object's owners, are what is compared. */
export interface Step {
  verb: "create" | "replace" | "apply" | "force" | "merge" | "strategic" | "json" | "delete";
  manager: string;
  body: JsonObject | readonly JsonObject[];
  subresource?: string;
}

/** Requests about one object, one after the other. */
export interface Sequence {
  name: string;
  /** The collection's path; objects are in a namespace made for the run. */
  collection: string;
  object: string;
  steps: readonly Step[];
}

type Body = JsonObject;

const APPS = "/apis/apps/v1/namespaces/default";
const CORE = "/api/v1/namespaces/default";

const step = (verb: Step["verb"], manager: string, body: Step["body"], subresource?: string) => ({
  verb,
  manager,
  body,
  ...(subresource === undefined ? {} : { subresource }),
});

function deployment(name: string, spec: Body, metadata: Body = {}): Body {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, ...metadata },
    spec: {
      selector: { matchLabels: labels },
      ...spec,
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "web", image: "web:1" }], ...(spec["template"] as Body) },
      },
    },
  };
}

function configMap(name: string, data: Body, metadata: Body = {}): Body {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...metadata }, data };
}

function service(name: string, spec: Body): Body {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

function pod(name: string, spec: Body = {}, metadata: Body = {}): Body {
  const containers = [{ name: "a", image: "a:1" }];
  const own = { automountServiceAccountToken: false, containers, ...spec };
  return { apiVersion: "v1", kind: "Pod", metadata: { name, ...metadata }, spec: own };
}

function partial(of: Body, more: Body): Body {
  const { apiVersion, kind, metadata } = of as { [key: string]: Body };
  return { apiVersion, kind, metadata: { name: metadata!["name"] }, ...more };
}

const scale = (name: string, replicas: number): Body => ({
  apiVersion: "autoscaling/v1",
  kind: "Scale",
  metadata: { name, namespace: "default" },
  spec: { replicas },
});

type Steps = (name: string) => Step[];

const DEPLOYMENTS: Readonly<Record<string, Steps>> = {
  "created, then patched by another": (name) => [
    step("create", "a", deployment(name, { replicas: 2 })),
    step("merge", "b", { spec: { replicas: 3 } }),
    step("strategic", "c", {
      spec: { template: { spec: { containers: [{ name: "web", image: "web:2" }] } } },
    }),
    step("json", "d", [{ op: "add", path: "/metadata/labels", value: { x: "1" } }]),
  ],
  "created with nothing to run": (name) => [step("create", "a", deployment(name, { replicas: 0 }))],
  "applied, applied again, and less of it": (name) => [
    step("apply", "a", deployment(name, { replicas: 2, paused: true })),
    step("apply", "a", deployment(name, { replicas: 2, paused: true })),
    step("apply", "a", deployment(name, { replicas: 2 })),
    step("apply", "a", deployment(name, {})),
  ],
  "applied by two managers that agree": (name) => [
    step("apply", "a", deployment(name, { replicas: 2, paused: true })),
    step("apply", "b", partial(deployment(name, {}), { spec: { paused: true } })),
    step("apply", "a", deployment(name, { replicas: 2 })),
    step("apply", "b", partial(deployment(name, {}), { spec: {} })),
  ],
  "a conflict, then by force": (name) => [
    step("apply", "a", deployment(name, { replicas: 2 })),
    step("merge", "b", { spec: { replicas: 4 } }),
    step("apply", "a", deployment(name, { replicas: 2 })),
    step("force", "a", deployment(name, { replicas: 2 })),
  ],
  "conflicts with several": (name) => [
    step("apply", "a", deployment(name, { replicas: 2 }, { labels: { x: "1", y: "2" } })),
    step("apply", "b", partial(deployment(name, {}), { spec: { minReadySeconds: 3 } })),
    step("merge", "c", { spec: { replicas: 4 } }),
    step(
      "apply",
      "d",
      partial(deployment(name, {}), {
        metadata: { name, labels: { x: "3" } },
        spec: { replicas: 7, minReadySeconds: 5 },
      }),
    ),
  ],
  "containers of two appliers": (name) => [
    step("apply", "a", deployment(name, {})),
    step(
      "apply",
      "b",
      partial(deployment(name, {}), {
        spec: { template: { spec: { containers: [{ name: "side", image: "s:1" }] } } },
      }),
    ),
    step(
      "apply",
      "b",
      partial(deployment(name, {}), {
        spec: {
          template: { spec: { containers: [{ name: "web", env: [{ name: "A", value: "1" }] }] } },
        },
      }),
    ),
  ],
  "resources and ports": (name) => [
    step(
      "apply",
      "a",
      deployment(name, {
        template: {
          containers: [
            {
              name: "web",
              image: "web:1",
              ports: [{ containerPort: 80 }, { containerPort: 53, protocol: "UDP" }],
              resources: { limits: { cpu: "1", memory: "64Mi" } },
            },
          ],
        },
      }),
    ),
    step("strategic", "b", {
      spec: {
        template: {
          spec: { containers: [{ name: "web", ports: [{ containerPort: 81, protocol: "TCP" }] }] },
        },
      },
    }),
    step("merge", "c", { spec: { strategy: { type: "Recreate", rollingUpdate: null } } }),
  ],
  "its status": (name) => [
    step("create", "a", deployment(name, { replicas: 1 })),
    step("merge", "b", { status: { replicas: 1, observedGeneration: 1 } }, "status"),
    step("merge", "b", { metadata: { labels: { no: "t" }, annotations: { y: "es" } } }, "status"),
    step(
      "apply",
      "c",
      partial(deployment(name, {}), { status: { conditions: [{ type: "Fine", status: "True" }] } }),
      "status",
    ),
    step("merge", "a", { status: { replicas: 7 } }),
  ],
  "scaled by replacing": (name) => [
    step("create", "a", deployment(name, { replicas: 1 })),
    step("replace", "b", scale(name, 5), "scale"),
    step("merge", "c", { spec: { replicas: 6 } }, "scale"),
    step("merge", "c", { spec: { replicas: 6 } }, "scale"),
  ],
  "scaled by applying": (name) => [
    step("apply", "a", deployment(name, { replicas: 1 })),
    step("apply", "b", scale(name, 5), "scale"),
    step("force", "b", scale(name, 5), "scale"),
    step("apply", "a", deployment(name, { replicas: 1 })),
    step("apply", "a", deployment(name, {})),
  ],
  "replaced by another": (name) => [
    step("create", "a", deployment(name, { replicas: 1 })),
    step("replace", "b", deployment(name, { replicas: 1 })),
    step("replace", "b", deployment(name, { replicas: 3, minReadySeconds: 1 })),
    step("replace", "a", deployment(name, { replicas: 3 })),
  ],
  "applied after it was created": (name) => [
    step("create", "a", deployment(name, { replicas: 1 })),
    step("apply", "a", deployment(name, { replicas: 1 })),
    step("apply", "a", deployment(name, { replicas: 2 })),
    step("force", "a", deployment(name, { replicas: 2 })),
  ],
  "the tracking is ended, then applied": (name) => [
    step("create", "a", deployment(name, { replicas: 1 })),
    step("merge", "b", { metadata: { managedFields: [{}] } }),
    step("merge", "b", { spec: { paused: true } }),
    step("apply", "c", deployment(name, { replicas: 1 })),
  ],
  "owners rewritten by a client": (name) => [
    step("create", "a", deployment(name, { replicas: 1 })),
    step("merge", "b", {
      metadata: {
        managedFields: [
          {
            manager: "mine",
            operation: "Apply",
            apiVersion: "apps/v1",
            fieldsType: "FieldsV1",
            fieldsV1: { "f:spec": { "f:replicas": {} } },
          },
        ],
      },
    }),
    step("apply", "mine", deployment(name, {})),
  ],
  "owners that make no sense": (name) => [
    step("create", "a", deployment(name, { replicas: 1 })),
    step("merge", "b", {
      metadata: { managedFields: [{ manager: "x", operation: "Update", apiVersion: "apps/v1" }] },
    }),
  ],
  "more updaters than are kept": (name) => [
    step("create", "u00", deployment(name, { replicas: 1 })),
    ...Array.from({ length: 12 }, (_, index) =>
      step("merge", `u${String(index + 10)}`, { metadata: { labels: { [`l${index}`]: "x" } } }),
    ),
  ],
};

const CONFIG_MAPS: Readonly<Record<string, Steps>> = {
  "its keys": (name) => [
    step("create", "a", configMap(name, { x: "1", y: "2" })),
    step("merge", "b", { data: { x: "3", z: "4" } }),
    step("merge", "c", { data: null }),
  ],
  "applied by two": (name) => [
    step("apply", "a", configMap(name, { x: "1" })),
    step("apply", "b", configMap(name, { y: "1" })),
    step("apply", "b", configMap(name, {})),
    step("apply", "a", { apiVersion: "v1", kind: "ConfigMap", metadata: { name } }),
  ],
  "labels, annotations, finalizers, owners": (name) => [
    step(
      "apply",
      "a",
      configMap(
        name,
        { x: "1" },
        { labels: { l: "1" }, annotations: { n: "1" }, finalizers: ["r2k.test/a"] },
      ),
    ),
    step(
      "apply",
      "b",
      configMap(
        name,
        {},
        {
          finalizers: ["r2k.test/b"],
          ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "n", uid: "u-1" }],
        },
      ),
    ),
    step("merge", "c", { metadata: { finalizers: ["r2k.test/c"] } }),
    step("merge", "c", { metadata: { finalizers: null } }),
  ],
  empty: (name) => [
    step("create", "a", { apiVersion: "v1", kind: "ConfigMap", metadata: { name } }),
    step("merge", "b", { metadata: { annotations: { x: "y" } } }),
    step("merge", "c", { metadata: { annotations: null } }),
  ],
  "immutable and binary": (name) => [
    step("apply", "a", {
      ...configMap(name, { x: "1" }),
      binaryData: { b: "AAAA" },
      immutable: false,
    }),
    step("force", "b", { ...configMap(name, { x: "2" }), immutable: false }),
  ],
  "client-side apply, then kubectl's own": (name) => {
    const text = JSON.stringify({ ...configMap(name, { x: "1" }) });
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": `${text}\n` };
    return [
      step("create", "kubectl-client-side-apply", configMap(name, { x: "1" }, { annotations })),
      step("apply", "kubectl", configMap(name, { x: "2" })),
      step("apply", "kubectl", configMap(name, { x: "2", y: "1" })),
    ];
  },
  "an empty name": (name) => [
    step("create", "", configMap(name, { x: "1" })),
    step("merge", "", { data: { x: "2" } }),
    step("apply", "", configMap(name, { x: "2" })),
  ],
  "created by a merge of nothing": (name) => [
    step("merge", "a", { data: { x: "1" } }),
    step("force", "a", configMap(name, { x: "1" })),
    step("delete", "a", {}),
    step("apply", "a", configMap(name, { x: "1" })),
  ],
};

const PODS: Readonly<Record<string, Steps>> = {
  "created with everything filled in": (name) => [
    step("create", "a", pod(name, { tolerations: [{ key: "k", operator: "Exists" }] })),
    step("merge", "b", { metadata: { labels: { x: "1" } } }),
    step("strategic", "c", { spec: { containers: [{ name: "a", image: "a:2" }] } }),
  ],
  "its status by a kubelet": (name) => [
    step("create", "a", pod(name)),
    step(
      "strategic",
      "kubelet",
      {
        status: {
          phase: "Running",
          conditions: [
            { type: "Ready", status: "True" },
            { type: "PodScheduled", status: "True" },
          ],
          podIP: "10.0.0.1",
          podIPs: [{ ip: "10.0.0.1" }],
          hostIP: "10.0.0.2",
          containerStatuses: [
            { name: "a", ready: true, image: "a:1", imageID: "x", restartCount: 0 },
          ],
        },
      },
      "status",
    ),
    step(
      "strategic",
      "other",
      { status: { conditions: [{ type: "Ready", status: "False", reason: "X" }] } },
      "status",
    ),
    step(
      "strategic",
      "kubelet",
      { status: { conditions: [{ type: "Ready", $patch: "delete" }] } },
      "status",
    ),
  ],
  "volumes, env and security": (name) => [
    step(
      "apply",
      "a",
      pod(name, {
        securityContext: {
          runAsUser: 1,
          sysctls: [{ name: "net.ipv4.tcp_syncookies", value: "1" }],
        },
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "c", configMap: { name: "m" } },
        ],
        containers: [
          {
            name: "a",
            image: "a:1",
            env: [
              { name: "X", value: "1" },
              { name: "Y", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            ],
            volumeMounts: [{ name: "v", mountPath: "/v" }],
            livenessProbe: { httpGet: { path: "/", port: 80 } },
            securityContext: { capabilities: { drop: ["ALL"] } },
          },
        ],
      }),
    ),
    step("apply", "b", partial(pod(name), { metadata: { name, labels: { l: "1" } } })),
  ],
  "an ephemeral container": (name) => [
    step("create", "a", pod(name)),
    step(
      "strategic",
      "b",
      { spec: { ephemeralContainers: [{ name: "d", image: "d:1" }] } },
      "ephemeralcontainers",
    ),
  ],
  "applied twice the same": (name) => [
    step("apply", "a", pod(name)),
    step("apply", "a", pod(name)),
    step("apply", "b", pod(name)),
  ],
};

const SERVICES: Readonly<Record<string, Steps>> = {
  "its ports": (name) => [
    step("create", "a", service(name, { ports: [{ port: 80 }], selector: { a: "b" } })),
    step("merge", "b", {
      spec: {
        ports: [
          { port: 80, name: "x" },
          { port: 81, name: "y" },
        ],
      },
    }),
    step("apply", "c", service(name, { ports: [{ port: 82, name: "z", protocol: "TCP" }] })),
  ],
  "applied, then patched": (name) => [
    step("apply", "a", service(name, { ports: [{ port: 80 }], selector: { a: "b" } })),
    step("strategic", "b", { spec: { selector: { a: "c" }, externalIPs: ["10.0.0.9"] } }),
    step("apply", "a", service(name, { ports: [{ port: 80 }], selector: { a: "b" } })),
    step("force", "a", service(name, { ports: [{ port: 80 }], selector: { a: "b" } })),
  ],
  "its load balancer's address": (name) => [
    step("create", "a", service(name, { type: "LoadBalancer", ports: [{ port: 80 }] })),
    step("merge", "b", { status: { loadBalancer: { ingress: [{ ip: "10.1.1.1" }] } } }, "status"),
  ],
};

interface Other {
  collection: string;
  /** The object without its metadata. */
  body: Body;
  change: Body;
}

const OTHERS = JSON.parse(
  readFileSync(join(import.meta.dirname, "other-kinds.json"), "utf8"),
) as Readonly<Record<string, Other>>;

/** Every kind goes through the same: created, changed, applied over, applied first. */
function ofKind(name: string, { body: bare, change }: Other): Step[][] {
  const body = (called: string) => ({ ...bare, metadata: { name: called } });
  return [
    [step("create", "a", body(name)), step("merge", "b", change), step("apply", "c", body(name))],
    [
      step("apply", "a", body(name)),
      step("merge", "b", change),
      step("force", "a", body(name)),
      step("apply", "a", body(name)),
    ],
  ];
}

function named(kind: string, collection: string, all: Readonly<Record<string, Steps>>): Sequence[] {
  return Object.entries(all).map(([name, steps], index) => {
    const object = `${kind.toLowerCase()}-${index}`;
    return { name: `${kind}: ${name}`, collection, object, steps: steps(object) };
  });
}

export const SEQUENCES: readonly Sequence[] = [
  ...named("Deployment", `${APPS}/deployments`, DEPLOYMENTS),
  ...named("ConfigMap", `${CORE}/configmaps`, CONFIG_MAPS),
  ...named("Pod", `${CORE}/pods`, PODS),
  ...named("Service", `${CORE}/services`, SERVICES),
  ...Object.entries(OTHERS).flatMap(([kind, other]) =>
    [0, 1].map((index) => {
      const object = `${kind.toLowerCase()}-${index}`;
      const name = `${kind}: ${index === 0 ? "created first" : "applied first"}`;
      return { name, collection: other.collection, object, steps: ofKind(object, other)[index]! };
    }),
  ),
];
