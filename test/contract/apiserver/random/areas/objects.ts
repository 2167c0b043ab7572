/** Objects that sequences about lists, deletions and odd requests find in their namespace. */
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { chance } from "../fragments.ts";
import type { Step } from "../step.ts";

const container = { name: "c", image: "example.com/c:1" };
const LABELS = [
  {},
  { app: "a" },
  { app: "b" },
  { app: "a", tier: "1" },
  { tier: "5", "x.io/y": "" },
];
const FINALIZERS = [[], [], [], ["example.com/hold"], ["orphan"], ["foregroundDeletion"]];

const template = { metadata: { labels: { app: "w" } }, spec: { containers: [container] } };
const workload = { replicas: 1, selector: { matchLabels: { app: "w" } }, template };

/** Objects by collection, which selectors and deletions distinguish. */
const FORMS: Readonly<Record<string, readonly object[]>> = {
  configmaps: [{ data: { a: "1" } }, { immutable: true }, {}],
  secrets: [
    { type: "Opaque" },
    { stringData: { a: "b" } },
    { type: "kubernetes.io/basic-auth", stringData: { username: "u" } },
  ],
  pods: [
    { spec: { containers: [container] } },
    { spec: { containers: [container], nodeName: "n1" } },
    { spec: { containers: [container], nodeName: "n2", terminationGracePeriodSeconds: 7 } },
    { spec: { containers: [container], restartPolicy: "Never", schedulerName: "other" } },
    { spec: { containers: [container], nodeName: "n1", terminationGracePeriodSeconds: 0 } },
  ],
  services: [
    { spec: { ports: [{ port: 80 }] } },
    { spec: { ports: [{ port: 80 }], clusterIP: "None" } },
    { spec: { type: "ExternalName", externalName: "a.example.com" } },
  ],
  events: [
    { involvedObject: { kind: "Pod", name: "p", namespace: "{ns}" }, type: "Normal", reason: "R" },
    {
      involvedObject: { kind: "Job", name: "j", namespace: "{ns}", fieldPath: "x" },
      type: "Warning",
      reportingComponent: "c",
      source: { component: "s", host: "h" },
    },
  ],
  "apps/v1:deployments": [{ spec: workload }],
  "apps/v1:replicasets": [{ spec: workload }],
  "batch/v1:jobs": [
    { spec: { template: { spec: { restartPolicy: "Never", containers: [container] } } } },
  ],
};

export const COLLECTIONS: readonly string[] = Object.keys(FORMS);
export const NAMES: readonly string[] = ["a", "b", "c", "d"];

/** The creation of an object of a collection. */
export function made(random: Random, collection: string, name: string, held: boolean): Step {
  const finalizers = held ? pick(random, FINALIZERS) : [];
  const metadata = {
    name,
    labels: pick(random, LABELS),
    ...(finalizers.length === 0 ? {} : { finalizers }),
  };
  return {
    method: "POST",
    path: collection,
    body: { metadata, ...pick(random, FORMS[collection]!) },
  };
}

/** Several objects of a collection. */
export function stock(random: Random, collection: string, held: boolean): Step[] {
  return NAMES.slice(0, randomInteger(random, 1, NAMES.length + 1)).map((name) =>
    made(random, collection, name, held),
  );
}

/** A query of some of these parameters, each with one of its values, sometimes twice. */
export function queryOf(
  random: Random,
  values: Readonly<Record<string, readonly string[]>>,
  some: number,
): string {
  const words = Array.from({ length: randomInteger(random, 0, some + 1) }, () => {
    const name = pick(random, Object.keys(values));
    return `${name}=${pick(random, values[name]!)}`;
  });
  const names = new Map(words.map((word) => [word.split("=")[0], word]));
  const chosen = chance(random, 0.1) ? words : [...names.values()];
  return chosen.length === 0 ? "" : `?${chosen.join("&")}`;
}

const ENCODED = (text: string) =>
  encodeURIComponent(text).replaceAll("%7B", "{").replaceAll("%7D", "}");

const LABEL_TERMS = [
  "app=a",
  "app==b",
  "app!=a",
  "app",
  "!app",
  "app in (a,b)",
  "app notin (a)",
  "tier>3",
  "tier<3",
  "tier>x",
  "x.io/y",
  "x.io/y=",
  "app in ()",
  "app in (a",
  "=",
  "app=",
  ",",
  "app=a=b",
  "a b",
  "app in a",
  "!app=a",
  "APP=a",
  "-x=1",
  "a/b/c=1",
  "x.io/=1",
  "app=a b",
  "app=-",
  "app in (,)",
  "app notin ()",
  " app = a ",
  "app\n=a",
  "()",
  "in in (in)",
  "notin",
  "app=notin",
  "app>",
  "app in (a))",
  "tier>=3",
  'app="a"',
  "é=1",
  "app=é",
  "app,,tier",
  "tier > 3",
  "! app",
];
const FIELD_TERMS = [
  "metadata.name=a",
  "metadata.name!=a",
  "metadata.name==b",
  "metadata.namespace={ns}",
  "metadata.namespace!={ns}",
  "metadata.namespace=other",
  "metadata.labels.app=a",
  "spec.nodeName=",
  "spec.nodeName=n1",
  "spec.nodeName!=n1",
  "status.phase=Pending",
  "status.phase!=Running",
  "type=Opaque",
  "type=Normal",
  "type=Warning",
  "involvedObject.kind=Pod",
  "involvedObject.name=p",
  "involvedObject.namespace={ns}",
  "involvedObject.fieldPath=x",
  "reason=R",
  "reason=",
  "source=s",
  "reportingComponent=c",
  "spec.clusterIP=None",
  "spec.type=ExternalName",
  "spec.restartPolicy=Never",
  "spec.schedulerName=other",
  "spec.serviceAccountName=default",
  "status.podIP=",
  "status.nominatedNodeName=",
  "spec.hostNetwork=false",
  "spec.hostNetwork=true",
  "status.replicas=0",
  "status.successful=0",
  "metadata.uid={uid}",
  "",
  "x",
  "=",
  "a=b",
  "metadata.name=a=b",
  "metadata.name=a\\,b",
  "metadata.name=a\\=b",
  "metadata.name=\\",
  "metadata.name",
  "metadata.name in (a)",
  " metadata.name=a",
  "metadata.name= a",
  "!metadata.name",
  "metadata.name=a,",
  ",metadata.name=a",
  "metadata.name=Bad_Name",
  "involvedObject.uid=",
  "involvedObject.apiVersion=",
  "involvedObject.resourceVersion=",
  "status.podIPs=",
  "spec.unschedulable=false",
  "metadata.name>a",
  "metadata.name=a;b",
];

/** Selectors of all shapes, encoded. */
export function selectors(random: Random): Record<string, readonly string[]> {
  const joined = (terms: readonly string[]) =>
    Array.from({ length: 4 }, () =>
      ENCODED(
        Array.from({ length: pick(random, [1, 1, 1, 2, 2, 3]) }, () => pick(random, terms)).join(
          ",",
        ),
      ),
    );
  return { labelSelector: joined(LABEL_TERMS), fieldSelector: joined(FIELD_TERMS) };
}

const as = (kind: string, version = "v1", type = "application/json") =>
  `${type};as=${kind};v=${version};g=meta.k8s.io`;
const PROTOBUF = "application/vnd.kubernetes.protobuf";

const TYPES = [
  "application/json",
  "application/yaml",
  PROTOBUF,
  "*/*",
  "application/*",
  "text/*",
  "text/html",
  as("Table"),
  as("Table", "v1beta1"),
  as("PartialObjectMetadata"),
  as("PartialObjectMetadataList"),
  as("Table", "v1", "application/yaml"),
  as("PartialObjectMetadataList", "v1", PROTOBUF),
  as("Table", "v7"),
  as("Status"),
  "application/cbor",
  "application/json;stream=watch",
  `${PROTOBUF};stream=watch`,
  "application/json;pretty=1",
  "application/json;charset=utf-8",
  "application/json;profile=nopeer",
  "nonsense",
  "",
  "application/json;as=Table",
  "application/json;g=meta.k8s.io",
  "*/json",
  "application/JSON",
  "application/json;as=Table;g=meta.k8s.io;v=v1;x=1",
];
const WEIGHTS = ["", "", "", ";q=0.5", ";q=1", ";q=0", ";q=0.9", ";q=x", "; q=0.1", ";q=2"];

/** An Accept header, or none. */
export function acceptOf(random: Random): { accept?: string } {
  if (chance(random, 0.5)) return {};
  const words = Array.from(
    { length: pick(random, [1, 1, 1, 2, 2, 3]) },
    () => `${pick(random, TYPES)}${pick(random, WEIGHTS)}`,
  );
  return { accept: words.join(pick(random, [",", ", "])) };
}
