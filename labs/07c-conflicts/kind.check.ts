import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";

const KIND = kindOf("storage.k8s.io", "v1", "StorageClass")!;
const CONTEXT = { now_ms: 0 };
const METADATA = { name: "fast" };

type Fields = Record<string, unknown>;

/** A class as a request yields it: decoded, with its defaults. */
function classOf(fields: Fields): StorageClass {
  const body = { provisioner: "csi.example.com", metadata: METADATA, ...fields };
  const { object } = decodeJson<StorageClass>(KIND.schema, body);
  KIND.strategy.defaults(object);
  return object;
}

check("kind: defaults fill absent fields, and no others", () => {
  const described = ({ reclaimPolicy, volumeBindingMode }: StorageClass) =>
    `${reclaimPolicy}, ${volumeBindingMode}`;
  const cases = [
    [{}, "Delete, Immediate"],
    [{ reclaimPolicy: "Retain" }, "Retain, Immediate"],
    [{ volumeBindingMode: "WaitForFirstConsumer" }, "Delete, WaitForFirstConsumer"],
  ] as const;
  for (const [fields, expected] of cases) {
    const object = classOf(fields);
    judge(described(object) === expected, {
      when: `a StorageClass with ${JSON.stringify(fields)}`,
      expected,
      happened: described(object),
      why: "the user's values stay; an absent field must mean the same to every client",
    });
    KIND.strategy.defaults(object);
    judge(described(object) === expected, {
      when: "the defaults are filled in a second time, as after each decode",
      expected,
      happened: described(object),
      why: "a stored object is decoded repeatedly: reading must not change it",
    });
  }
});

const LONG = "x".repeat(256 * 1024);

/** Invalid classes, each with the errors of kube-apiserver 1.36: reason and field. */
const WRONG: readonly (readonly [string, Fields, string])[] = [
  ["no invalid field", {}, ""],
  ["parameters that are small", { parameters: { type: "ssd", iops: "100" } }, ""],
  ["Retain", { reclaimPolicy: "Retain" }, ""],
  ["no provisioner", { provisioner: "" }, "FieldValueRequired provisioner"],
  ["a provisioner with a space", { provisioner: "a b" }, "FieldValueInvalid provisioner"],
  ["a provisioner in capitals", { provisioner: "Csi.Example.Com" }, ""],
  ["a parameter without a name", { parameters: { "": "x" } }, "FieldValueInvalid parameters"],
  ["a long value", { parameters: { a: LONG } }, "FieldValueTooLong parameters"],
  ["a long name", { parameters: { [LONG]: "" } }, ""],
  ["a name one longer", { parameters: { [`${LONG}x`]: "" } }, "FieldValueTooLong parameters"],
  ["long in bytes", { parameters: { a: "€".repeat(90_000) } }, "FieldValueTooLong parameters"],
  ["another policy", { reclaimPolicy: "Recycle" }, "FieldValueNotSupported reclaimPolicy"],
  ["an empty policy", { reclaimPolicy: "" }, ""],
  ["another mode", { volumeBindingMode: "Later" }, "FieldValueNotSupported volumeBindingMode"],
  [
    "two invalid fields",
    { reclaimPolicy: "Keep", volumeBindingMode: "" },
    "FieldValueNotSupported reclaimPolicy, FieldValueNotSupported volumeBindingMode",
  ],
];

check("kind: each invalid field is reported, with upstream's reason", () => {
  for (const [what, fields, expected] of WRONG) {
    const errors = KIND.strategy.validateCreate(classOf(fields), CONTEXT);
    const happened = errors.map(({ type, field }) => `${type} ${field}`).join(", ");
    judge(happened === expected, {
      when: `a StorageClass with ${what} is created`,
      expected: expected || "it is accepted",
      happened: happened || "it is accepted",
      why: "clients show a 422's causes at their fields, and tools compare the reasons",
    });
  }
});

const CHANGES: readonly (readonly [string, Fields, string])[] = [
  ["no field", {}, ""],
  ["allowVolumeExpansion", { allowVolumeExpansion: true }, ""],
  ["a label", { metadata: { ...METADATA, labels: { a: "b" } } }, ""],
  ["mountOptions", { mountOptions: ["ro"] }, ""],
  ["the provisioner", { provisioner: "other.example.com" }, "provisioner"],
  ["a parameter", { parameters: { type: "hdd" } }, "parameters"],
  ["the policy", { reclaimPolicy: "Retain" }, "reclaimPolicy"],
  ["the mode", { volumeBindingMode: "WaitForFirstConsumer" }, "volumeBindingMode"],
];

check("kind: the fields that provisioned volumes depend on are immutable", () => {
  const old = classOf({ parameters: { type: "ssd" } });
  for (const [what, fields, expected] of CHANGES) {
    const next = classOf({ parameters: { type: "ssd" }, ...fields });
    next.metadata.resourceVersion = "1";
    const errors = KIND.strategy.validateUpdate(next, old, CONTEXT);
    const happened = errors.map(({ type, field }) => `${type} ${field}`).join(", ");
    const wanted = expected && `FieldValueInvalid ${expected}`;
    judge(happened === wanted, {
      when: `a StorageClass update changes ${what}`,
      expected: wanted || "it is accepted",
      happened: happened || "it is accepted",
      why: "volumes of one class would differ, and the class would describe only some of them",
    });
  }
});

check("kind: the columns that kubectl prints", () => {
  const marked = (value: string) => {
    const annotations = { "storageclass.kubernetes.io/is-default-class": value };
    return { metadata: { ...METADATA, annotations } };
  };
  const cases = [
    [{}, "fast|csi.example.com|Delete|Immediate|false"],
    [marked("true"), "fast (default)|csi.example.com|Delete|Immediate|false"],
    [marked("false"), "fast|csi.example.com|Delete|Immediate|false"],
    [{ allowVolumeExpansion: true }, "fast|csi.example.com|Delete|Immediate|true"],
  ] as const;
  for (const [fields, expected] of cases) {
    const object = classOf(fields);
    const shown = KIND.columns.filter(({ name }) => name !== "Age");
    const happened = shown.map((column) => column.value(object, 0)).join("|");
    judge(happened === expected, {
      when: `kubectl get storageclasses, with ${JSON.stringify(fields)}`,
      expected,
      happened,
      why: "kubectl prints the server's table: it shows only the kind's columns",
    });
  }
});
