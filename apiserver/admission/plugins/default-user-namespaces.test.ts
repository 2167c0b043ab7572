import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { jsonPatch, rule, WebhookKit } from "../../testing/webhooks.ts";
import { readAdmissionConfiguration } from "../configuration.ts";

const CONFIGURATION = `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: restricted}
    exemptions: {namespaces: [exempt]}
`;

const none = () => {
  throw new Error("no file is named");
};
const server = fileApiserver({
  admission: {
    enable: ["DefaultUserNamespaces"],
    configuration: await readAdmissionConfiguration(CONFIGURATION, none),
  },
});

const kit = new WebhookKit(server);

const ENFORCE = "pod-security.kubernetes.io/enforce";
const post = (path: string, body: object) => server.ask(path, { method: "POST", body });

beforeAll(async () => {
  for (const [name, level] of Object.entries({ tight: "restricted", wide: "baseline" })) {
    await post("/api/v1/namespaces", { metadata: { name, labels: { [ENFORCE]: level } } });
  }
  for (const name of ["plain", "exempt"]) await post("/api/v1/namespaces", { metadata: { name } });
  for (const name of ["tight", "wide", "plain", "exempt"]) {
    const path = `/api/v1/namespaces/${name}/serviceaccounts`;
    await post(path, { metadata: { name: "default" } });
  }
});

const own = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const container = (more: object = {}) => ({ name: "c", image: "i", securityContext: own, ...more });

/** Creates a pod without storing it, and returns its answer's code and its `hostUsers`. */
async function create(
  spec: object = {},
  namespace = "tight",
  labels: object = {},
): Promise<[number, unknown]> {
  const body = { metadata: { name: "p", labels }, spec: { containers: [container()], ...spec } };
  const answer = await post(`/api/v1/namespaces/${namespace}/pods?dryRun=All`, body);
  const made = JSON.parse(answer.body) as { spec?: { hostUsers?: boolean } };
  return [answer.status, made.spec?.hostUsers];
}

/** A node whose runtimes report whether they have user namespaces. */
async function report(name: string, handlers: Record<string, boolean>): Promise<void> {
  const runtimeHandlers = Object.entries(handlers).map(([handler, userNamespaces]) => ({
    name: handler,
    features: { userNamespaces },
  }));
  await post("/api/v1/nodes", { metadata: { name }, status: { runtimeHandlers } });
}

it("while no node can, or one cannot, pods have the nodes' users", async () => {
  expect(await create()).toEqual([201, undefined]);
  await report("new", { "": true, "by-hand": false });
  await expect.poll(() => create()).toEqual([201, false]);
  await report("old", { "": false, other: true });
  await expect.poll(() => create()).toEqual([201, undefined]);
  await server.ask("/api/v1/nodes/old", { method: "DELETE" });
  await expect.poll(() => create()).toEqual([201, false]);
});

it("the level is that of the namespace, by its label or by default", async () => {
  expect(await create({}, "wide")).toEqual([201, undefined]);
  expect(await create({}, "plain")).toEqual([201, false]);
  expect(await create({}, "exempt")).toEqual([201, undefined]);
});

it("a pod that names its users keeps them", async () => {
  expect(await create({ hostUsers: true })).toEqual([201, true]);
});

it("a pod keeps them when a client writes it that does not know the field", async () => {
  const path = "/api/v1/namespaces/tight/pods";
  await post(path, { metadata: { name: "again" }, spec: { containers: [container()] } });
  const pod = async () =>
    JSON.parse((await server.ask(`${path}/again`)).body) as {
      metadata: { labels?: object };
      spec: { hostUsers?: boolean };
    };
  const body = await pod();
  expect(body.spec.hostUsers).toBe(false);
  delete body.spec.hostUsers;
  body.metadata.labels = { a: "b" };
  const answer = await server.ask(`${path}/again`, { method: "PUT", body });
  expect(answer.status, answer.body).toBe(200);
  expect((await pod()).spec.hostUsers).toBe(false);
});

it("the default lets in no pod that the level refuses", async () => {
  const securityContext = { ...own, runAsNonRoot: false };
  expect(await create({ containers: [container({ securityContext })] })).toEqual([403, undefined]);
  const given = { hostUsers: false, containers: [container({ securityContext })] };
  expect(await create(given)).toEqual([201, false]);
});

const mount = { name: "v", mountPath: "/v", mountPropagation: "HostToContainer" };
const emptyDir = (inner: object) => [{ name: "v", emptyDir: inner }];

it.each([
  [
    "a claim, whose file system may not map ids",
    { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "c" } }] },
  ],
  [
    "an emptyDir in huge pages",
    {
      volumes: emptyDir({ medium: "HugePages" }),
      containers: [
        container({ resources: { requests: { cpu: "1" }, limits: { "hugepages-2Mi": "2Mi" } } }),
      ],
    },
  ],
  [
    "mounts that propagate",
    { volumes: emptyDir({}), containers: [container({ volumeMounts: [mount] })] },
  ],
  ["a device", { containers: [container({ resources: { limits: { "example.com/gpu": 1 } } })] }],
  ["a user whom it would not have", { securityContext: { runAsUser: 65_536 } }],
  ["a group that it would not have", { securityContext: { supplementalGroups: [65_536] } }],
  [
    "a sysctl with ids",
    { securityContext: { sysctls: [{ name: "net.ipv4.ping_group_range", value: "0 70000" }] } },
  ],
])("a pod with %s keeps the node's users", async (_what, spec) => {
  expect(await create(spec)).toEqual([201, undefined]);
});

it("a pod with volumes of the node's own has its own users", async () => {
  const volumes = [
    ...emptyDir({ medium: "Memory" }),
    { name: "s", secret: { secretName: "s" } },
    { name: "m", configMap: { name: "m" } },
  ];
  const limits = { cpu: "1", memory: "1Gi" };
  expect(await create({ volumes, containers: [container({ resources: { limits } })] })).toEqual([
    201,
    false,
  ]);
});

const add = (path: string, value: unknown) => ({ op: "add", path, value });
const claim = add("/spec/volumes/-", { name: "v", persistentVolumeClaim: { claimName: "c" } });
/** Creates a pod that mutating webhooks of these names change. */
const injected = (...names: string[]) =>
  create({}, "tight", Object.fromEntries(names.map((name) => [name, "yes"])));

async function inject(name: string, more: object = {}): Promise<void> {
  await kit.configure("mutating", name, { rules: [rule({ resources: ["pods"] })], ...more });
  await kit.active(name, () => injected(name));
}

it.each([
  ["a label", add("/metadata/labels/a", "b"), [201, false]],
  ["a claim", claim, [201, undefined]],
  [
    "a user whom it would not have",
    add("/spec/securityContext/runAsUser", 65_536),
    [201, undefined],
  ],
  ["the node's users", add("/spec/hostUsers", true), [201, true]],
  [
    "root, which the level refuses",
    { op: "remove", path: "/spec/containers/0/securityContext/runAsNonRoot" },
    [403, undefined],
  ],
])("the pod is judged with what a webhook gives it: %s", async (_what, operation, expected) => {
  await inject("injector");
  kit.answers.set("injector", () => jsonPatch(operation));
  expect(await injected("injector")).toEqual(expected);
});

it("the pod is judged with what a webhook gives it when it is called again", async () => {
  await inject("a-again", { reinvocationPolicy: "IfNeeded" });
  await inject("b-once");
  kit.answers.set("a-again", ({ request }) => {
    const { metadata } = request.object as { metadata: { labels: Record<string, string> } };
    return metadata.labels["late"] === undefined ? {} : jsonPatch(claim);
  });
  kit.answers.set("b-once", () => jsonPatch(add("/metadata/labels/late", "yes")));
  kit.calls.length = 0;
  expect(await injected("a-again", "b-once")).toEqual([201, undefined]);
  expect(kit.called).toEqual(["a-again", "b-once", "a-again"]);
});
