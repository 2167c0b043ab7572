/** The group of the benchmark's definitions. */
const GROUP = "bench.example.com";

/** Rules on a spec, as operators write them. */
export const RULES = [
  { rule: "self.minimum <= self.maximum", message: "minimum is above maximum" },
  { rule: "self.replicas >= self.minimum && self.replicas <= self.maximum" },
  { rule: "self.ports.all(p, p.port > 0 && p.port < 65536)" },
  { rule: "self.ports.exists_one(p, p.name == 'http')" },
  { rule: "self.host.endsWith('.example.com') && size(self.host) < 254" },
] as const;

/** The path of the collection in the namespace `default`. */
export function collectionOf(plural: string): string {
  return `/apis/${GROUP}/v1/namespaces/default/${plural}`;
}

/** The name of a definition. */
export const nameOf = (plural: string): string => `${plural}.${GROUP}`;

/** A definition whose schema is like that of a small operator; its spec has `rules`. */
export function definition(plural: string, kind: string, rules: readonly object[] = []): object {
  const text = (maxLength: number) => ({ type: "string", maxLength });
  const port = {
    type: "object",
    required: ["name", "port"],
    properties: { name: text(15), port: { type: "integer", format: "int32" } },
  };
  const spec = {
    type: "object",
    required: ["host", "replicas"],
    properties: {
      host: text(300),
      replicas: { type: "integer", minimum: 0 },
      minimum: { type: "integer", default: 1 },
      maximum: { type: "integer", default: 10 },
      paused: { type: "boolean", default: false },
      ports: { type: "array", maxItems: 16, items: port },
      labels: { type: "object", additionalProperties: text(63), maxProperties: 16 },
    },
    ...(rules.length > 0 ? { "x-kubernetes-validations": rules } : {}),
  };
  const condition = {
    type: "object",
    required: ["type", "status"],
    properties: { type: text(63), status: text(7), reason: text(63), message: text(1024) },
  };
  const status = {
    type: "object",
    properties: {
      ready: { type: "integer" },
      conditions: {
        type: "array",
        items: condition,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
      },
    },
  };
  const openAPIV3Schema = { type: "object", properties: { spec, status } };
  const column = { name: "Replicas", type: "integer", jsonPath: ".spec.replicas" };
  const version = {
    name: "v1",
    served: true,
    storage: true,
    schema: { openAPIV3Schema },
    subresources: { status: {} },
    additionalPrinterColumns: [column],
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: nameOf(plural) },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { plural, kind, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [version],
    },
  };
}

/** An object of such a kind, as JSON with `%s` in the place of its name. */
export function objectOf(kind: string): string {
  const ports = [
    { name: "http", port: 8080 },
    { name: "metrics", port: 9090 },
  ];
  const labels = { tier: "front", team: "one" };
  const spec = { host: "a.example.com", replicas: 3, ports, labels };
  const metadata = { name: "%s", labels: { app: "bench" } };
  return JSON.stringify({ apiVersion: `${GROUP}/v1`, kind, metadata, spec });
}
