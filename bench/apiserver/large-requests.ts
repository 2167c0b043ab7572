import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import { stringify } from "yaml";
import type { AskOptions } from "../../testing/apiserver/ask.ts";

/** One request, and the codes that it may be answered with. */
export interface Deed {
  readonly what: string;
  readonly path: string;
  readonly options: AskOptions;
  readonly codes: readonly number[];
  /** A watch in this form; it receives the event before the measurement ends. */
  readonly watched?: { readonly path: string; readonly accept: string };
}

const MIB = 1024 * 1024;
/** Size of the values in the largest body, with a margin for the syntax around them. */
const BODY_BYTES = 3 * MIB - 10_000;
/** The store takes 1.5 MiB, defaults and owners of each value included. */
const STORED_BYTES = 1.2 * MIB;

const CORE = "/api/v1/namespaces/default";
const PROTOBUF = "application/vnd.kubernetes.protobuf";
const TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1";
const FORMS: Readonly<Record<string, string>> = {
  JSON: "application/json",
  YAML: "application/yaml",
  protobuf: PROTOBUF,
  "a Table": TABLE,
};

interface Shape {
  readonly name: string;
  readonly plural: string;
  make(bytes: number, value: string): object;
  /** How much of the stored bytes is asked for: defaults and owners are the rest. */
  readonly asked: number;
}

/** Objects that are large in different ways. */
const SHAPES: readonly Shape[] = [
  {
    name: "a ConfigMap of one text",
    asked: 0.7,
    plural: "configmaps",
    make: (bytes, value) => map({ a: value.padEnd(bytes, "x") }),
  },
  {
    name: "a ConfigMap of short texts",
    asked: 0.8,
    plural: "configmaps",
    make: (bytes, value) => map(members(bytes / 120, value.padEnd(100, "x"))),
  },
  {
    name: "a ConfigMap of single letters",
    asked: 0.42,
    plural: "configmaps",
    make: (bytes, value) => map(members(bytes / 13, value)),
  },
  {
    name: "a Pod of many variables",
    asked: 0.3,
    plural: "pods",
    make: (bytes, value) => {
      const env = named(bytes / 28, "V", { value });
      return pod([{ name: "c", image: "i", env }]);
    },
  },
  {
    name: "a Pod of many containers",
    asked: 0.055,
    plural: "pods",
    make: (bytes, value) => pod(named(bytes / 29, "c", { image: value })),
  },
];

const map = (data: object) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: {}, data });
const pod = (containers: object[]) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {},
  spec: { containers },
});

const members = (count: number, value: string): object =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, value]));

const named = (count: number, letter: string, rest: object): object[] =>
  Array.from({ length: count }, (_, n) => ({ name: `${letter}${n}`, ...rest }));

/** Every request that is measured, in the order in which they build on each other. */
export function* deeds(): Generator<Deed> {
  // Pods need their account, and a first list of each kind starts its cache.
  yield post("a ServiceAccount", "serviceaccounts", { metadata: { name: "default" } });
  for (const plural of ["configmaps", "pods"]) yield get(`list ${plural}`, `${CORE}/${plural}`);
  for (const shape of SHAPES) {
    yield* creations(shape);
    yield* changes(shape);
  }
}

/** 3 MiB are more than the store takes, or validation: all work but the last step is done. */
const REFUSED = [201, 400, 413, 422, 500];

function* creations({ name, plural, make }: Shape): Generator<Deed> {
  const whole = largest(make, "v", "too-large");
  const send = (form: string, type: string, body: string | Buffer): Deed => ({
    what: `create ${name}, ${mib(body)} as ${form}`,
    path: `${CORE}/${plural}`,
    options: { method: "POST", headers: { "content-type": type }, body },
    codes: REFUSED,
  });
  yield send("JSON", "application/json", JSON.stringify(whole));
  yield send("broken JSON", "application/json", `${JSON.stringify(whole).slice(0, -2)}]`);
  yield send("YAML", "application/yaml", stringify(largest(make, "v", "yaml", stringify)));
  const schema = plural === "pods" ? "core/v1.Pod" : "core/v1.ConfigMap";
  const encode = (object: object) => encodeObject(schema, object).toString("latin1");
  const message = encodeObject(schema, largest(make, "v", "too-large", encode));
  yield send("protobuf", PROTOBUF, message);
}

function* changes({ name, plural, asked, make }: Shape): Generator<Deed> {
  const id = name.replaceAll(/\W+/g, "-").toLowerCase();
  const path = `${CORE}/${plural}/${id}`;
  const stored = called(make(STORED_BYTES * asked, "v"), id);
  yield post(`${name}`, plural, stored);
  for (const [form, accept] of Object.entries(FORMS)) {
    yield get(`get ${name}, as ${form}`, path, accept);
    yield get(`list ${name} as ${form}`, `${CORE}/${plural}`, accept);
  }
  yield get(`get ${name}, indented`, `${path}?pretty=1`);
  const patch = (what: string, type: string, body: string, query = ""): Deed => ({
    what: `${what} of ${name}, ${mib(body)}`,
    path: `${path}${query}`,
    options: { method: "PATCH", headers: { "content-type": type }, body },
    codes: [200, ...REFUSED],
  });
  const other = largest(make, "w", id);
  const text = JSON.stringify(other);
  yield patch("merge patch", "application/merge-patch+json", text);
  yield patch("strategic patch", "application/strategic-merge-patch+json", text);
  yield patch("apply", "application/apply-patch+yaml", text, "?fieldManager=m&force=1");
  const steps = JSON.stringify([
    { op: "replace", path: "/metadata/labels", value: {} },
    ...annotations(BODY_BYTES / 55),
  ]);
  yield patch("JSON patch", "application/json-patch+json", steps);
  const body = JSON.stringify({ metadata: { labels: { a: "b" } } });
  for (const [form, accept] of Object.entries(FORMS)) {
    if (form === "YAML") continue;
    const watched = { path: `${CORE}/${plural}?watch=1`, accept: `${accept};stream=watch` };
    const value = JSON.stringify({ metadata: { labels: { form: form.replaceAll(" ", "-") } } });
    const label = patch(`a label`, "application/merge-patch+json", value);
    yield { ...label, what: `event of ${name} as ${form}`, watched };
  }
  yield patch("a label", "application/merge-patch+json", body);
  yield { what: `delete ${name}`, path, options: { method: "DELETE" }, codes: [200] };
}

/** Steps of a JSON patch, up to its limit. */
const annotations = (count: number): object[] =>
  Array.from({ length: Math.min(count, 9_000) }, (_, n) => ({
    op: "add",
    path: `/metadata/annotations/a${n}`,
    value: "v".repeat(250),
  }));

const called = <T extends object>(object: T, name: string): T => ({
  ...object,
  metadata: { name },
});

/** Returns the largest object of a shape whose text is within the limit of a body. */
function largest(
  make: Shape["make"],
  value: string,
  name: string,
  encode: (object: object) => string = JSON.stringify,
): object {
  for (let bytes = BODY_BYTES; ; bytes *= 0.9) {
    const object = called(make(bytes, value), name);
    if (encode(object).length <= BODY_BYTES) return object;
  }
}

const mib = (body: string | Buffer): string => `${(body.length / MIB).toFixed(1)} MiB`;

const get = (what: string, path: string, accept = "application/json"): Deed => ({
  what,
  path,
  options: { headers: { accept } },
  codes: [200],
});

const post = (what: string, plural: string, body: object): Deed => ({
  what: `create ${what}`,
  path: `${CORE}/${plural}`,
  options: { method: "POST", body },
  codes: [201],
});
