import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";

const { ask } = fileApiserver();
const CORE = "/api/v1";
const DEFAULT = `${CORE}/namespaces/default`;

const metadata = { name: "null" };
const amounts = { cpu: null };
const containers = [{ name: "a", image: "a", resources: { limits: amounts } }];
const template = { metadata: { labels: { a: "a" } }, spec: { containers } };
const deployment = { selector: { matchLabels: { a: "a" } }, template };
const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: null } } };

beforeAll(async () => {
  const account = { metadata: { name: "default" } };
  await ask(`${DEFAULT}/serviceaccounts`, { method: "POST", body: account });
});

it.each([
  [`${DEFAULT}/pods`, { spec: { containers } }, `"limits":{"cpu":"0"}`],
  ["/apis/apps/v1/namespaces/default/deployments", { spec: deployment }, `"limits":{"cpu":"0"}`],
  [`${DEFAULT}/resourcequotas`, { spec: { hard: { pods: null } } }, `"hard":{"pods":"0"}`],
  [`${CORE}/nodes`, { status: { capacity: amounts } }, `"capacity":{"cpu":"0"}`],
  [
    "/apis/node.k8s.io/v1/runtimeclasses",
    { handler: "a", overhead: { podFixed: amounts } },
    `"podFixed":{"cpu":"0"}`,
  ],
  [`${DEFAULT}/secrets`, { data: { a: null } }, `"data":{"a":""}`],
  [`${DEFAULT}/configmaps`, { binaryData: { a: null } }, `"binaryData":{"a":""}`],
])("a null in a map is the zero value of its type: %s", async (path, body, stored) => {
  const created = await ask(path, { method: "POST", body: { metadata, ...body } });
  expect([created.status, created.body]).toEqual([201, expect.stringContaining(stored)]);
});

it.each([
  [`${DEFAULT}/persistentvolumeclaims`, claim, "must be greater than zero"],
  [
    `${CORE}/persistentvolumes`,
    { capacity: { storage: null }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/a" } },
    "must be greater than zero",
  ],
])("such a zero is judged as one that was sent: %s", async (path, spec, message) => {
  const zero = JSON.parse(JSON.stringify(spec).replaceAll("null", `"0"`)) as object;
  for (const each of [spec, zero]) {
    const refused = await ask(path, { method: "POST", body: { metadata, spec: each } });
    expect([refused.status, refused.body]).toEqual([422, expect.stringContaining(message)]);
  }
});

it("a null in the status of a pod is stored as zero", async () => {
  const name = "status";
  const spec = { containers: [{ name: "a", image: "a" }] };
  const { body } = await ask(`${DEFAULT}/pods`, {
    method: "POST",
    body: { metadata: { name }, spec },
  });
  const containerStatus = { name: "a", ready: false, restartCount: 0, image: "", imageID: "" };
  const status = { containerStatuses: [{ ...containerStatus, allocatedResources: amounts }] };
  const put = await ask(`${DEFAULT}/pods/${name}/status`, {
    method: "PUT",
    body: { ...(JSON.parse(body) as object), status },
  });
  const stored = expect.stringContaining(`"allocatedResources":{"cpu":"0"}`) as string;
  expect([put.status, put.body]).toEqual([200, stored]);
});

it.each([
  [`${DEFAULT}/secrets`, "v1", "Secret", "data:\n  password:\n", `"data":{"password":""}`],
  [
    "/apis/apps/v1/namespaces/default/deployments",
    "apps/v1",
    "Deployment",
    `spec: ${JSON.stringify(deployment)}\n`,
    `"limits":{"cpu":"0"}`,
  ],
])(
  "an applied null is owned, and stored as zero: %s",
  async (path, version, kind, rest, stored) => {
    const head = `apiVersion: ${version}\nkind: ${kind}\nmetadata:\n  name: applied\n`;
    const apply = () =>
      ask(`${path}/applied?fieldManager=m`, {
        method: "PATCH",
        headers: { "content-type": "application/apply-patch+yaml" },
        body: head + rest,
      });
    for (const code of [201, 200]) {
      const applied = await apply();
      expect([applied.status, applied.body]).toEqual([code, expect.stringContaining(stored)]);
      expect(applied.body).toMatch(/"f:(password|cpu)":\{\}/);
    }
  },
);

it("a map entry without a value in protobuf is the zero value", async () => {
  const name = "protobuf";
  // Neither writes the value of an entry that is null.
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name }, data: { a: null } };
  const created = await ask(`${DEFAULT}/secrets`, {
    method: "POST",
    headers: { "content-type": "application/vnd.kubernetes.protobuf" },
    body: encodeObject("core/v1.Secret", secret),
  });
  expect([created.status, created.body]).toEqual([201, expect.stringContaining(`"a":""`)]);
});
