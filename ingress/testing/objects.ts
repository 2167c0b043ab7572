import type { Secret, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { Ingress, IngressClass, IngressRule } from "@raft2kube/api/gen/networking/v1.ts";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { pairOf } from "../plan/certificates.ts";
import type { IngressInput } from "../plan/ingress.ts";
import type { Endpoint, Pair } from "../plan/model.ts";

export const CONTROLLER = "r2k.io/ingress";
export const CLASS: IngressClass = { metadata: { name: "r2k" }, spec: { controller: CONTROLLER } };

/** A cluster's objects, as the plan reads them. */
export interface Objects {
  ingresses: Ingress[];
  classes?: IngressClass[];
  /** The endpoints of Services by `namespace/name`, each with the port 80. */
  services?: Record<string, readonly Endpoint[]>;
  secrets?: Record<string, Secret>;
  owners?: ReadonlyMap<string, string>;
}

export async function pairFor(names: readonly string[], days = 10, now_ms = Date.now()) {
  return createCa({ commonName: "test", dnsNames: names, days, now_ms });
}

export function inputOf(objects: Objects, fallback: Pair): IngressInput {
  const { ingresses, classes = [CLASS], services = {}, secrets = {} } = objects;
  const service = (key: string): Service | undefined => {
    if (!(key in services)) return undefined;
    return { metadata: {}, spec: { ports: [{ name: "http", port: 80 }] } } as Service;
  };
  const slices = (key: string): EndpointSlice[] =>
    (services[key] ?? []).map((endpoint) => ({
      metadata: {},
      addressType: "IPv4",
      endpoints: [{ addresses: [endpoint.address] }],
      ports: [{ name: "http", port: endpoint.port }],
    }));
  return {
    ingresses,
    classes,
    controller: CONTROLLER,
    now_ms: Date.now(),
    fallback,
    owners: objects.owners,
    services: { service, slices },
    secret: (key) => secrets[key],
  };
}

export async function fallbackPair(): Promise<Pair> {
  const { cert, key } = await pairFor(["ingress.invalid"]);
  return pairOf(cert, key);
}

export interface IngressWords {
  readonly name?: string;
  readonly namespace?: string;
  /** Seconds after others: the smaller is the older. */
  readonly age?: number;
  readonly annotations?: Record<string, string>;
  readonly spec?: Partial<Ingress["spec"]>;
}

export function ingressOf(words: IngressWords, rules: readonly IngressRule[] = []): Ingress {
  const { name = "web", namespace = "default", age = 0, annotations = {}, spec = {} } = words;
  const creationTimestamp = new Date(age * 1_000).toISOString();
  return {
    metadata: { name, namespace, uid: `${namespace}/${name}`, creationTimestamp, annotations },
    spec: { ingressClassName: "r2k", rules: [...rules], ...spec },
  };
}

export function ruleOf(host: string, path = "/", service = "web", pathType = "Prefix") {
  const backend = { service: { name: service, port: { number: 80 } } };
  return { ...(host ? { host } : {}), http: { paths: [{ path, pathType, backend }] } };
}

export function tlsSecret({ cert, key }: { cert: string; key: string }): Secret {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return {
    metadata: {},
    type: "kubernetes.io/tls",
    data: { "tls.crt": base64(cert), "tls.key": base64(key) },
  } as unknown as Secret;
}
