/**
 * Rules of subresources that are neither creation, update nor status: valid bodies with one leaf
 * changed, as `answers/` does it for whole kinds.
 */
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { changed, changes, type Write } from "../../answers/mutations.ts";
import type { Case } from "../recorder.ts";

/** `object`, and the same with each leaf changed in turn below the paths that start so. */
function* variants<T extends object>(
  object: T,
  schema: string,
  below: string,
  write: Write = "create",
): Generator<T> {
  yield object;
  for (const change of changes(object, schema, write)) {
    if (change.path.join(".").startsWith(below)) yield changed(object, change);
  }
}

/** The same with members in one order: servers write them in orders of their own. */
function inOrder(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(inOrder);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, inOrder(member)]));
}

const CONTAINER = { name: "c", image: "example.com/c:1" };
const LABELS = { app: "w" };
const DRY = "?dryRun=All";

const resources = {
  requests: { cpu: "500m", memory: "64Mi" },
  limits: { cpu: "1", memory: "64Mi" },
};

const pod = (more: object = {}) => ({
  metadata: { name: "p", labels: { app: "p" } },
  spec: { containers: [CONTAINER], ...more },
});

const typed = <T extends object>(apiVersion: string, kind: string, more: T) => ({
  apiVersion,
  kind,
  ...more,
});

export const BODIES_OF_SUBRESOURCES: readonly Case[] = [
  {
    name: "bodies of subresources: scale",
    async run({ post, put }) {
      const template = { metadata: { labels: LABELS }, spec: { containers: [CONTAINER] } };
      const spec = { replicas: 2, selector: { matchLabels: LABELS }, template };
      await post("apps/v1:deployments", { metadata: { name: "d" }, spec });
      const scale = typed("autoscaling/v1", "Scale", {
        metadata: { name: "d", labels: { a: "b" }, annotations: { a: "b" } },
        spec: { replicas: 3 },
      });
      for (const each of variants(scale, "autoscaling/v1.Scale", "")) {
        await put(`apps/v1:deployments/d/scale${DRY}`, each);
      }
    },
  },
  {
    name: "bodies of subresources: binding",
    async run({ post }) {
      await post("pods", pod());
      const target = { apiVersion: "v1", kind: "Node", name: "n1", namespace: "x", uid: "u" };
      const binding = typed("v1", "Binding", {
        metadata: { name: "p", labels: { a: "b" }, annotations: { a: "b" } },
        target: { ...target, fieldPath: "f", resourceVersion: "1" },
      });
      for (const each of variants(binding, "core/v1.Binding", "")) {
        await post(`pods/p/binding${DRY}`, each);
      }
    },
  },
  {
    name: "bodies of subresources: eviction",
    async run({ post }) {
      await post("pods", pod({ nodeName: "n" }));
      const eviction = typed("policy/v1", "Eviction", {
        metadata: { name: "p" },
        deleteOptions: {
          gracePeriodSeconds: 5,
          propagationPolicy: "Background",
          preconditions: { uid: "other", resourceVersion: "1" },
        },
      });
      for (const each of variants(eviction, "policy/v1.Eviction", "")) {
        await post(`pods/p/eviction${DRY}`, each);
      }
    },
  },
  {
    name: "bodies of subresources: resize",
    async run({ post, get, put }) {
      await post("pods", {
        metadata: { name: "p" },
        spec: { containers: [{ name: "c", image: "i", resources }] },
      });
      const now = inOrder(await get("pods/p")) as KubeObject;
      delete now.metadata.managedFields;
      const below = "spec.containers.0";
      for (const each of variants(now, "core/v1.Pod", below, "update")) {
        await put(`pods/p/resize${DRY}`, each);
      }
    },
  },
  {
    name: "bodies of subresources: ephemeral containers",
    async run({ post, get, put }) {
      await post("pods", {
        metadata: { name: "p" },
        spec: { containers: [{ name: "c", image: "i" }], volumes: [{ name: "v", emptyDir: {} }] },
      });
      const now = inOrder(await get("pods/p")) as KubeObject & { spec: object };
      delete now.metadata.managedFields;
      const ephemeralContainers = [
        {
          name: "debug",
          image: "busybox",
          command: ["sh"],
          args: ["-c"],
          workingDir: "/",
          env: [{ name: "A", value: "1" }],
          imagePullPolicy: "Always",
          stdin: true,
          tty: true,
          volumeMounts: [{ name: "v", mountPath: "/v" }],
          targetContainerName: "c",
          terminationMessagePolicy: "File",
          securityContext: { privileged: false, runAsUser: 1 },
        },
      ];
      const with_ = { ...now, spec: { ...now.spec, ephemeralContainers } };
      for (const each of variants(with_, "core/v1.Pod", "spec.ephemeralContainers")) {
        await put(`pods/p/ephemeralcontainers${DRY}`, each);
      }
    },
  },
  {
    name: "bodies of subresources: approval",
    async run({ post, get, put, ns, delete: remove }) {
      const place = `/apis/certificates.k8s.io/v1/certificatesigningrequests`;
      await post(place, {
        metadata: { name: ns },
        spec: { request: REQUEST, signerName: "example.com/signer", usages: ["client auth"] },
      });
      const now = await get(`${place}/${ns}`);
      const conditions = [
        {
          type: "Approved",
          status: "True",
          reason: "Because",
          message: "of this",
          lastUpdateTime: "2001-01-01T00:00:00Z",
          lastTransitionTime: "2001-01-01T00:00:00Z",
        },
      ];
      const schema = "certificates/v1.CertificateSigningRequest";
      for (const each of variants({ ...now, status: { conditions } }, schema, "status")) {
        await put(`${place}/${ns}/approval${DRY}`, each);
      }
      await put(`${place}/${ns}/approval${DRY}`, {
        ...now,
        status: { certificate: "eA==", conditions },
      });
      await remove(`${place}/${ns}`);
    },
  },
  {
    name: "bodies of subresources: finalize",
    async run({ get, put, ns }) {
      const now = await get(`/api/v1/namespaces/${ns}`);
      const with_ = { ...now, spec: { finalizers: ["kubernetes", "example.com/mine"] } };
      for (const each of variants(with_, "core/v1.Namespace", "spec")) {
        await put(`/api/v1/namespaces/${ns}/finalize${DRY}`, each);
      }
    },
  },
];

/** A certificate request of an Ed25519 key. */
const REQUEST =
  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlHdU1HSUNBUUF3THpFVk1CTUdBMVVFQ2d3" +
  "TWMzbHpkR1Z0T201dlpHVnpNUll3RkFZRFZRUUREQTF6ZVhOMApaVzA2Ym05a1pUcHVNQ293QlFZREsyVndB" +
  "eUVBVy9BYmVCbW1OM1dscjFVMmpkTXV0NDBNTy9NcGE5Sk50TU5ZCjhLcHNkNENnQURBRkJnTXJaWEFEUVFB" +
  "cTk5RGYyS2xldHMzM21FSTgyUGFSQUNOOVBXNkRmY295UFd1L3NkQlUKY2FFKzVreUVuOFQ3OHAwWnVPa04w" +
  "TWttQURZWExqZFlCaGxOZ2RmcmhYOEgKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";
