import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { grant } from "../../testing/grant.ts";
import { messageOf } from "../../testing/webhooks.ts";
import { readAdmissionConfiguration } from "../configuration.ts";

const CONFIGURATION = `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: EventRateLimit
  configuration:
    apiVersion: eventratelimit.admission.k8s.io/v1alpha1
    kind: Configuration
    limits: [{type: Namespace, qps: 1, burst: 2}]
- name: PodNodeSelector
  configuration:
    podNodeSelectorPluginConfig:
      clusterDefaultNodeSelector: "pool=all"
      bounded: "pool=all"
      own: # all
- name: PodTolerationRestriction
  configuration:
    apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1
    kind: Configuration
    default: [{key: given, operator: Exists}]
    whitelist:
    - {key: given, operator: Exists}
    - {key: allowed, operator: Exists}
    - {key: node.kubernetes.io/not-ready, operator: Exists}
    - {key: node.kubernetes.io/unreachable, operator: Exists}
`;

const none = () => {
  throw new Error("no file is named");
};
const server = fileApiserver({
  admission: {
    enable: [
      "EventRateLimit",
      "OwnerReferencesPermissionEnforcement",
      "PodNodeSelector",
      "PodTolerationRestriction",
    ],
    configuration: await readAdmissionConfiguration(CONFIGURATION, none),
  },
});

const post = (path: string, body: object) => server.ask(path, { method: "POST", body });
const place = (namespace: string) => `/api/v1/namespaces/${namespace}`;

async function namespace(name: string, annotations: object = {}): Promise<void> {
  const answer = await post("/api/v1/namespaces", { metadata: { name, annotations } });
  expect(answer.status, answer.body).toBe(201);
  await post(`${place(name)}/serviceaccounts`, { metadata: { name: "default" } });
}

const pod = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: "a", image: "a" }], ...spec },
});

interface Spec {
  nodeSelector?: object;
  tolerations: { key: string }[];
}
const specOf = ({ body }: { body: string }) => (JSON.parse(body) as { spec: Spec }).spec;

beforeAll(async () => {
  await namespace("bounded");
  await namespace("own", {
    "scheduler.alpha.kubernetes.io/node-selector": "disk=ssd",
    "scheduler.alpha.kubernetes.io/defaultTolerations": "[]",
    "scheduler.alpha.kubernetes.io/tolerationsWhitelist": `[{"operator":"Exists"}]`,
  });
});

it("PodNodeSelector adds the namespace's selector, or the configured one", async () => {
  const [first, second] = [
    await post(`${place("own")}/pods`, pod("a")),
    await post(`${place("bounded")}/pods`, pod("a")),
  ];
  expect(specOf(first).nodeSelector).toEqual({ disk: "ssd" });
  expect(specOf(second).nodeSelector).toEqual({ pool: "all" });
  const other = await post(`${place("own")}/pods`, pod("b", { nodeSelector: { disk: "hdd" } }));
  expect([other.status, messageOf(other)]).toEqual([
    403,
    'pods "b" is forbidden: pod node label ' +
      "selector conflicts with its namespace node label selector",
  ]);
  const more = await post(`${place("bounded")}/pods`, pod("b", { nodeSelector: { gpu: "yes" } }));
  expect(messageOf(more)).toContain("conflict with its namespace whitelist");
});

it("PodTolerationRestriction adds tolerations and refuses others", async () => {
  const given = await post(`${place("bounded")}/pods`, pod("given"));
  expect(specOf(given).tolerations.map(({ key }) => key)).toContain("given");
  const tolerations = [{ key: "other", operator: "Exists" }];
  const refused = await post(`${place("bounded")}/pods`, pod("refused", { tolerations }));
  expect(messageOf(refused)).toContain("conflict with its cluster whitelist");
  const own = await post(`${place("own")}/pods`, pod("own", { tolerations }));
  expect(specOf(own).tolerations.map(({ key }) => key)).toContain("other");
});

it("EventRateLimit refuses Events beyond the rate of their namespace", async () => {
  const event = (name: string) => ({
    metadata: { name },
    involvedObject: { namespace: "own", kind: "Pod", name: "a" },
  });
  const names = Array.from({ length: 20 }, (_, i) => `e-${i}`);
  const answers = await Promise.all(
    names.map((name) => post(`${place("own")}/events`, event(name))),
  );
  const refused = answers.find(({ status }) => status === 429);
  expect(messageOf(refused!)).toBe("limit reached on type Namespace for key own");
});

it("owners that block are set only by those who may set their finalizers", async () => {
  const maps = `${place("bounded")}/configmaps`;
  const user = await grant(server, "owner-user", "bounded", [
    { apiGroups: [""], resources: ["configmaps"], verbs: ["create", "update", "get"] },
  ]);
  const owner = { apiVersion: "v1", kind: "Pod", name: "a", uid: "u" };
  const create = (name: string, more: object) =>
    server.ask(maps, {
      ...user,
      method: "POST",
      body: { metadata: { name, ownerReferences: [{ ...owner, ...more }] } },
    });
  expect((await create("owned", {})).status).toBe(201);
  expect(messageOf(await create("blocking", { blockOwnerDeletion: true }))).toContain(
    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set " +
      "finalizers on",
  );
  const body = { metadata: { name: "owned" } };
  const changed = await server.ask(`${maps}/owned`, { ...user, method: "PUT", body });
  expect(messageOf(changed)).toContain("cannot set an ownerRef on a resource you can't delete");
});

it("devices that others have are claimed in a labelled namespace alone, as upstream", async () => {
  const requests = [
    { name: "own", exactly: { deviceClassName: "gpu" } },
    { name: "all", exactly: { deviceClassName: "gpu", adminAccess: true } },
  ];
  const spec = { devices: { requests } };
  const name = { metadata: { name: "watching" } };
  const claims = (namespace: string) => `/apis/resource.k8s.io/v1/namespaces/${namespace}`;
  const claim = (namespace: string, body: object = { ...name, spec }) =>
    post(`${claims(namespace)}/resourceclaims`, body);
  const labels = { "resource.kubernetes.io/admin-access": "true" };
  await post("/api/v1/namespaces", { metadata: { name: "watchers", labels } });
  const refused = "`resource.kubernetes.io/admin-access: true` label on the containing namespace";
  expect(messageOf(await claim("bounded"))).toBe(
    'ResourceClaim.resource.k8s.io "watching" is invalid: spec.devices.requests[1].adminAccess: ' +
      `Forbidden: admin access to devices requires the ${refused}`,
  );
  const template = await post(`${claims("bounded")}/resourceclaimtemplates`, {
    ...name,
    spec: { spec },
  });
  expect(messageOf(template)).toContain(refused);
  expect((await claim("watchers")).status).toBe(201);
  // A driver of a claim without such access does not get it by what is allocated.
  const plain = { ...name, spec: { devices: { requests: requests.slice(0, 1) } } };
  const { body } = await claim("bounded", plain);
  const result = { request: "own", driver: "gpu.example", pool: "p", device: "d" };
  const allocated = (adminAccess: boolean) =>
    server.ask(`${claims("bounded")}/resourceclaims/watching/status`, {
      method: "PUT",
      body: {
        ...(JSON.parse(body) as object),
        status: { allocation: { devices: { results: [{ ...result, adminAccess }] } } },
      },
    });
  expect(messageOf(await allocated(true))).toContain(refused);
  expect((await allocated(false)).status).toBe(200);
});

it("PodTopologyLabels gives a bound pod its node's zone", async () => {
  const labels = { "topology.kubernetes.io/zone": "z1", other: "no" };
  await post("/api/v1/nodes", { metadata: { name: "n1", labels } });
  const zoneOf = async (name: string) => {
    await post(`${place("bounded")}/pods`, pod(name));
    const target = { kind: "Node", name: "n1" };
    await post(`${place("bounded")}/pods/${name}/binding`, { metadata: { name }, target });
    const { metadata } = JSON.parse(
      (await server.ask(`${place("bounded")}/pods/${name}`)).body,
    ) as { metadata: { labels?: Record<string, string> } };
    return metadata.labels;
  };
  let attempts = 0;
  const found = await waitFor("the zone", () => zoneOf(`bound-${attempts++}`));
  expect(found).toEqual({ "topology.kubernetes.io/zone": "z1" });
});

it("a plugin that takes no configuration, and a wrong one, are refused by name", async () => {
  const whole = (plugin: string) =>
    "apiVersion: apiserver.config.k8s.io/v1\n" +
    `kind: AdmissionConfiguration\nplugins:\n- ${plugin}\n`;
  await expect(
    readAdmissionConfiguration(
      whole("{name: ValidatingAdmissionWebhook, path: kubeconfig.yaml}"),
      none,
    ),
  ).rejects.toThrow("plugins[0].name: ValidatingAdmissionWebhook takes no configuration here");
  const limits = "{type: Everything, qps: 1, burst: 1}";
  await expect(
    readAdmissionConfiguration(
      whole(
        "{name: EventRateLimit, configuration: " +
          "{apiVersion: eventratelimit.admission.k8s.io/v1alpha1, kind: Configuration, " +
          `limits: [${limits}]}}`,
      ),
      none,
    ),
  ).rejects.toThrow("limits[0].type: must be one of Server");
});
