import { type Case, type Json, namespace } from "./cases.ts";

const DEFAULT_INGRESS = "ingressclass.kubernetes.io/is-default-class";
const INGRESSES = "/apis/networking.k8s.io/v1/namespaces/ingresses/ingresses";
const BACKEND = { defaultBackend: { service: { name: "web", port: { number: 80 } } } };

function ingressClass(name: string, annotations: Json = {}): Case["made"][number] {
  const body = { metadata: { name, annotations }, spec: { controller: "example.com/c" } };
  return { path: "/apis/networking.k8s.io/v1/ingressclasses", body };
}

function ingress(name: string, spec: Json, annotations: Json = {}): Case["tried"][number] {
  const body = { metadata: { name: "i", annotations }, spec: { ...BACKEND, ...spec } };
  return { name, path: INGRESSES, body };
}

/** An Ingress without a class gets the default one; one with a class keeps it. */
const ingresses: Case = {
  name: "ingresses",
  made: [
    ...namespace("ingresses"),
    ingressClass("plain"),
    ingressClass("not-default", { [DEFAULT_INGRESS]: "false" }),
    ingressClass("z-default", { [DEFAULT_INGRESS]: "true" }),
    // As new or newer, and before it by name.
    ingressClass("a-default", { [DEFAULT_INGRESS]: "true" }),
  ],
  tried: [
    ingress("none named", {}),
    ingress("one named", { ingressClassName: "plain" }),
    ingress("one that is not there", { ingressClassName: "missing" }),
    ingress("named by annotation", {}, { "kubernetes.io/ingress.class": "old" }),
  ],
};

const CLAIMS = "/api/v1/namespaces/growing/persistentvolumeclaims";

function storageClass(name: string, more: Json): Case["made"][number] {
  const body = { metadata: { name }, provisioner: "example.com/p", ...more };
  return { path: "/apis/storage.k8s.io/v1/storageclasses", body };
}

const sized = (storage: string) => ({ resources: { requests: { storage } } });

function claim(name: string, spec: Json, annotations: Json = {}): Case["made"][number] {
  const body = {
    metadata: { name, annotations },
    spec: { accessModes: ["ReadWriteOnce"], volumeName: "v", ...sized("1Gi"), ...spec },
  };
  return { path: CLAIMS, body };
}

function bound(name: string): Case["made"][number] {
  const body = { status: { phase: "Bound", capacity: { storage: "1Gi" } } };
  return { path: `${CLAIMS}/${name}/status`, method: "PATCH", body };
}

function grown(name: string, claimName: string, storage: string): Case["tried"][number] {
  return { name, path: `${CLAIMS}/${claimName}`, method: "PATCH", body: { spec: sized(storage) } };
}

/** Which claims may grow. */
const growing: Case = {
  name: "growing",
  made: [
    ...namespace("growing"),
    storageClass("elastic", { allowVolumeExpansion: true }),
    storageClass("fixed", { allowVolumeExpansion: false }),
    storageClass("silent", {}),
    claim("elastic", { storageClassName: "elastic" }),
    claim("fixed", { storageClassName: "fixed" }),
    claim("silent", { storageClassName: "silent" }),
    claim("classless", { storageClassName: "" }),
    claim("missing", { storageClassName: "missing" }),
    claim("annotated", {}, { "volume.beta.kubernetes.io/storage-class": "elastic" }),
    claim("unbound", { storageClassName: "elastic" }),
    ...["elastic", "fixed", "silent", "classless", "missing", "annotated"].map(bound),
  ],
  tried: [
    grown("larger", "elastic", "2Gi"),
    grown("as large in other words", "elastic", "1024Mi"),
    grown("smaller", "elastic", "1Mi"),
    grown("of a class that does not let it", "fixed", "2Gi"),
    grown("of a class that does not say", "silent", "2Gi"),
    grown("of no class", "classless", "2Gi"),
    grown("of a class that is not there", "missing", "2Gi"),
    grown("of a class by annotation", "annotated", "2Gi"),
    grown("not bound", "unbound", "2Gi"),
  ],
};

export const CLASS_CASES: readonly Case[] = [ingresses, growing];
