import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import { type SendJson, senderTo } from "../../../testing/apiserver/send-json.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import { startUpstream } from "../../../testing/apiserver/upstream-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";

const BINARY = join(import.meta.dirname, "../../../.peers/bin/kube-apiserver");
const JSON_TYPE = "application/json";

const key = (name: string, bytes: number) =>
  `{name: ${name}, secret: ${Buffer.alloc(bytes, name).toString("base64")}}`;
const boxKey = (name: string) => key(name, 32);

/** Each provider has a resource; `first` is the key that secrets are written with. */
const encryptionConfig = (...first: string[]) => `
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
  - resources: [secrets]
    providers: [{secretbox: {keys: [${first.map(boxKey).join(", ")}]}}, {identity: {}}]
  - resources: [configmaps]
    providers: [{aesgcm: {keys: [${key("gcm", 32)}]}}, {identity: {}}]
  - resources: [deployments.apps]
    providers: [{aescbc: {keys: [${key("cbc", 32)}]}}, {identity: {}}]
`;

const NS = "/api/v1/namespaces/default";
const template = {
  metadata: { labels: { app: "web" } },
  spec: { containers: [{ name: "web", image: "web:1" }] },
};

/** One object of each of many forms: several groups, several stored versions, each cipher. */
const OBJECTS: Readonly<Record<string, object>> = {
  [`${NS}/secrets`]: { metadata: { name: "s" }, stringData: { password: "hush" } },
  [`${NS}/configmaps`]: { metadata: { name: "c" }, data: { a: "1" }, binaryData: { b: "AAEC" } },
  [`${NS}/services`]: { metadata: { name: "w" }, spec: { ports: [{ port: 80 }] } },
  [`${NS}/pods`]: { metadata: { name: "p" }, spec: template.spec },
  "/apis/apps/v1/namespaces/default/deployments": {
    metadata: { name: "d" },
    spec: { selector: { matchLabels: { app: "web" } }, template },
  },
  "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers": {
    metadata: { name: "h" },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "d" },
      maxReplicas: 3,
      metrics: [
        {
          type: "Resource",
          resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } },
        },
      ],
    },
  },
  "/apis/batch/v1/namespaces/default/cronjobs": {
    metadata: { name: "j" },
    spec: {
      schedule: "0 * * * *",
      jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: "Never" } } } },
    },
  },
  "/apis/coordination.k8s.io/v1/namespaces/default/leases": {
    metadata: { name: "l" },
    spec: { holderIdentity: "me", renewTime: "2026-01-02T03:04:05.678901Z" },
  },
  "/apis/rbac.authorization.k8s.io/v1/clusterroles": {
    metadata: { name: "r" },
    rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
  },
  "/apis/storage.k8s.io/v1/storageclasses": {
    metadata: { name: "fast" },
    provisioner: "example.com/fast",
  },
  "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies": {
    metadata: { name: "m" },
    spec: {
      failurePolicy: "Ignore",
      reinvocationPolicy: "Never",
      matchConstraints: {
        resourceRules: [
          { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["nodes"] },
        ],
      },
      mutations: [
        {
          patchType: "JSONPatch",
          jsonPatch: {
            expression: '[JSONPatch{op: "add", path: "/metadata/labels/a", value: "b"}]',
          },
        },
      ],
    },
  },
};

const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** A version's own parts: its schema, subresources and columns. */
const versionOf = (name: string, field: string, more: object = {}) => ({
  name,
  served: true,
  storage: name === "v1",
  schema: {
    openAPIV3Schema: {
      type: "object",
      properties: { spec: { type: "object", properties: { [field]: { type: "string" } } } },
    },
  },
  additionalPrinterColumns: [{ name: field, type: "string", jsonPath: `.spec.${field}` }],
  subresources: { status: {} },
  ...more,
});

/** Kube-apiserver stores them in v1beta1, where equal parts of all versions stand in the spec. */
const definition = (plural: string, versions: readonly object[], conversion?: object) => ({
  metadata: { name: `${plural}.example.com` },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural, singular: plural.slice(0, -1), kind: `K${plural}` },
    versions,
    ...(conversion && { conversion }),
  },
});

const CREATED: readonly (readonly [string, object])[] = [
  ...Object.entries(OBJECTS),
  [DEFINITIONS, definition("ones", [versionOf("v1", "a")])],
  [
    DEFINITIONS,
    definition("twos", [
      versionOf("v1", "a", { selectableFields: [{ jsonPath: ".spec.a" }] }),
      versionOf("v2", "b"),
    ]),
  ],
  [
    DEFINITIONS,
    definition("threes", [versionOf("v1", "a"), versionOf("v2", "a")], {
      strategy: "Webhook",
      webhook: {
        conversionReviewVersions: ["v1", "v1beta1"],
        clientConfig: { url: "https://127.0.0.1:1/convert", caBundle: "" },
      },
    }),
  ],
];

const pathOf = (collection: string, object: object) =>
  `${collection}/${(object as { metadata: { name: string } }).metadata.name}`;

/** Reads every object from a server. */
async function readAll(send: SendJson): Promise<Record<string, object>> {
  const found: Record<string, object> = {};
  for (const [collection, object] of CREATED) {
    const path = pathOf(collection, object);
    const { status, body } = await send("GET", path, "", undefined);
    expect(status, path).toBe(200);
    found[path] = body;
  }
  return found;
}

describe.skipIf(!existsSync(BINARY))("data shared with kube-apiserver 1.36", () => {
  let dir = "";
  let config = "";
  let etcd: EtcdServer;
  let theirs: Record<string, object>;

  const upstream = async <T>(work: (send: SendJson) => Promise<T>): Promise<T> => {
    const flags = { "etcd-servers": etcd.url, "encryption-provider-config": config };
    const { send, close } = await startUpstream(BINARY, flags);
    try {
      return await work(send);
    } finally {
      await close();
    }
  };

  const ours = async <T>(
    on: EtcdServer["client"],
    keys: string[],
    work: (send: SendJson, api: TestApiserver) => Promise<T>,
  ): Promise<T> => {
    const encryption = await readEncryption(encryptionConfig(...keys));
    const api = await startTestApiserver(on, { encryption });
    try {
      return await work(await senderTo(api), api);
    } finally {
      await api.close();
    }
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "r2k-shared-"));
    config = join(dir, "encryption.yaml");
    etcd = await startEtcd();
    writeFileSync(config, encryptionConfig("one"));
    theirs = await upstream(async (send) => {
      for (const [collection, object] of CREATED) {
        expect(await send("POST", collection, JSON_TYPE, object)).toMatchObject({ status: 201 });
      }
      // Its controllers write the statuses of definitions.
      const isEstablished = async () => {
        const { body } = await send("GET", DEFINITIONS, "", undefined);
        return JSON.stringify(body).split('"Established"').length === 4 || undefined;
      };
      await waitFor("definitions", isEstablished);
      return await readAll(send);
    });
  });
  afterAll(async () => {
    await etcd.close();
    rmSync(dir, { recursive: true });
  });

  it("what it wrote, protobuf and encrypted, ours serves on the same etcd", async () => {
    expect(alike(await ours(etcd.client, ["one"], readAll))).toEqual(alike(theirs));
  });

  it("and on our own store, where its keys were copied", async () => {
    const listenClient = { path: join(dir, "s.sock") };
    const store = await startStore({ dataDir: join(dir, "store"), listenClient });
    const all = { key: Buffer.from("/registry/"), rangeEnd: Buffer.from("/registry0") };
    for (const { key, value } of (await etcd.client.range(all)).kvs) {
      await store.client.put({ key, value });
    }
    const copied = await ours(store.client, ["one"], readAll);
    expect(alike(copied, "resourceVersion")).toEqual(alike(theirs, "resourceVersion"));
    await store.close();
  });

  it("what ours wrote, JSON and encrypted with a newer key, it serves", async () => {
    const patch = { metadata: { labels: { by: "ours" } } };
    const made = await ours(etcd.client, ["two", "one"], async (send) => {
      for (const path of Object.keys(theirs)) {
        const said = await send("PATCH", path, "application/merge-patch+json", patch);
        expect(said.status, path).toBe(200);
      }
      return await readAll(send);
    });
    const stored = await etcd.client.range({ key: Buffer.from("/registry/secrets/default/s") });
    expect(stored.kvs[0]!.value.toString("latin1")).toMatch(/^k8s:enc:secretbox:v1:two:/);
    writeFileSync(config, encryptionConfig("one", "two"));
    expect(alike(await upstream(readAll))).toEqual(alike(made));
  });
});

/**
 * Objects without what may differ: some members by name, and whether a list that has nothing in it
 * is `null`, as Go writes those that were never set, or `[]`, as ours does (docs/DIVERGENCE.md).
 */
function alike(objects: object, ...left: string[]): unknown {
  const keep = (name: string, value: unknown) => {
    const nothing = value === null || (Array.isArray(value) && value.length === 0);
    return nothing || left.includes(name) ? undefined : value;
  };
  return JSON.parse(JSON.stringify(objects, keep));
}
