/** The operations of each kind: paths, verbs, parameters; the same for both versions. */
import type { GroupVersionKind, Kind, Verb } from "@raft2kube/api/kind.ts";
import { structOf } from "@raft2kube/api/schema.ts";

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly type: "string" | "integer" | "boolean";
  readonly description: string;
}

export interface Operation {
  readonly method: "get" | "put" | "post" | "delete" | "patch";
  readonly action: string;
  readonly id: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  /** The schema of the body; patches have bodies of any form. */
  readonly body?: string;
  readonly answer: string;
  readonly type: GroupVersionKind;
}

export interface Path {
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly operations: readonly Operation[];
}

function query(name: string, type: Parameter["type"], description: string): Parameter {
  return { name, in: "query", type, description };
}

const NAME: Parameter = {
  name: "name",
  in: "path",
  type: "string",
  description: "Name of the object.",
};
const NAMESPACE: Parameter = {
  name: "namespace",
  in: "path",
  type: "string",
  description: "Namespace of the object.",
};
const PRETTY = query("pretty", "string", "Whether the answer is indented.");
const DRY_RUN = query("dryRun", "string", "With 'All' everything is done but storing.");
const FIELD_MANAGER = query("fieldManager", "string", "Who makes the change.");
const FIELD_VALIDATION = query(
  "fieldValidation",
  "string",
  "What happens to unknown and duplicate fields: Ignore, Warn or Strict.",
);
const FORCE = query("force", "boolean", "Takes fields over from other managers.");
const SELECTION: readonly Parameter[] = [
  query("labelSelector", "string", "Only objects with these labels."),
  query("fieldSelector", "string", "Only objects with these values of fields."),
  query("limit", "integer", "The most objects in one answer."),
  query("continue", "string", "Where the answer before ended."),
  query("resourceVersion", "string", "How fresh the answer must be."),
  query("resourceVersionMatch", "string", "How resourceVersion is understood."),
  query("timeoutSeconds", "integer", "When the request ends, at the latest."),
];
const WATCHING: readonly Parameter[] = [
  query("watch", "boolean", "Streams changes instead of a list."),
  query("allowWatchBookmarks", "boolean", "Marks progress when nothing changes."),
  query("sendInitialEvents", "boolean", "Begins a watch with what is there."),
];
const DELETION: readonly Parameter[] = [
  DRY_RUN,
  query("gracePeriodSeconds", "integer", "Seconds that the object is given to end."),
  query(
    "propagationPolicy",
    "string",
    "What happens to dependents: Orphan, Background, Foreground.",
  ),
];
const WRITING: readonly Parameter[] = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];

type SchemaName = (kind: Kind) => string;

const schemaOf: SchemaName = ({ schema }) => structOf(schema).name;
const listOf: SchemaName = (kind) => `${schemaOf(kind)}List`;
const statusOf: SchemaName = () => "meta/v1.Status";
const deleteOptionsOf: SchemaName = () => "meta/v1.DeleteOptions";

const upper = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A text in camel case: `cert-manager.io` is `certManagerIo`. */
const camel = (text: string): string => {
  const [first = "", ...others] = text.split(/[^A-Za-z0-9_]+/);
  return [first, ...others.map(upper)].join("");
};

/** A group as ids and tags write it. */
const groupOf = ({ group }: Kind): string => camel((group || "core").replace(/\.k8s\.io$/, ""));

/** The tag of a kind's operations: `core_v1`, `rbacAuthorization_v1`. */
export const tagOf = (kind: Kind): string => `${groupOf(kind)}_${kind.version}`;

/**
 * `listCoreV1NamespacedPod`: the id of an operation as upstream makes it (GetOperationIDAndTags,
 * apiserver/pkg/endpoints/openapi), from which client generators name their functions.
 */
function idOf(action: string, kind: Kind, suffix: string): string {
  const of = action.replace(/^[a-z]+/, "");
  const scope = kind.namespaced ? "Namespaced" : "";
  const verb = action.slice(0, action.length - of.length);
  const place = `${upper(groupOf(kind))}${upper(kind.version)}`;
  return `${verb}${place}${of}${scope}${kind.kind}${suffix}`;
}

/** The root of a group and version: `/api/v1`, `/apis/apps/v1`. */
export function rootOf({ group, version }: { group: string; version: string }): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

interface VerbOperation {
  /** The effect, the first words of the description. */
  readonly does: string;
  readonly parameters: readonly Parameter[];
  readonly body?: SchemaName;
  readonly answer: SchemaName;
}

type VerbOperations = Readonly<Partial<Record<Verb, VerbOperation>>>;

const COLLECTION: VerbOperations = {
  list: {
    does: "Lists or watches objects",
    parameters: [...SELECTION, ...WATCHING],
    answer: listOf,
  },
  create: { does: "Creates an object", parameters: WRITING, body: schemaOf, answer: schemaOf },
  deletecollection: {
    does: "Deletes objects",
    parameters: [...SELECTION, ...DELETION],
    body: deleteOptionsOf,
    answer: statusOf,
  },
};

const ITEM: VerbOperations = {
  get: { does: "Reads one object", parameters: [], answer: schemaOf },
  update: { does: "Replaces an object", parameters: WRITING, body: schemaOf, answer: schemaOf },
  patch: { does: "Changes parts of an object", parameters: [...WRITING, FORCE], answer: schemaOf },
  delete: {
    does: "Deletes an object",
    parameters: DELETION,
    body: deleteOptionsOf,
    answer: statusOf,
  },
};

type Words = readonly [method: Operation["method"], action: string, id: string];

/** The method of a verb, its action (`x-kubernetes-action`), and the first word of its id. */
const WORDS: Readonly<Partial<Record<string, Words>>> = {
  get: ["get", "get", "read"],
  list: ["get", "list", "list"],
  create: ["post", "post", "create"],
  update: ["put", "put", "replace"],
  patch: ["patch", "patch", "patch"],
  delete: ["delete", "delete", "delete"],
  deletecollection: ["delete", "deletecollection", "deleteCollection"],
};

/** The operations of the verbs that a kind has. */
function operationsOf(kind: Kind, verbs: VerbOperations): Operation[] {
  return Object.entries(verbs).flatMap(([verb, { does, parameters, body, answer }]) => {
    const [method, action, word] = WORDS[verb]!;
    if (!kind.verbs.includes(verb as Verb)) return [];
    const id = idOf(word, kind, "");
    const description = `${does} of kind ${kind.kind}.`;
    const schemas = { ...(body && { body: body(kind) }), answer: answer(kind) };
    return [{ method, action, id, description, parameters, ...schemas, type: kind }];
  });
}

/** Schemas of bodies that belong to another kind than their path. */
const BODIES: Readonly<Record<string, string>> = {
  Scale: "autoscaling/v1.Scale",
  Eviction: "policy/v1.Eviction",
  Binding: "core/v1.Binding",
  TokenRequest: "authentication/v1.TokenRequest",
};

function subresourcePaths(kind: Kind, item: string, places: readonly Parameter[]): Path[] {
  return Object.values(kind.subresources).flatMap((sub) => {
    const schema = sub.body.kind === kind.kind ? schemaOf(kind) : BODIES[sub.body.kind];
    if (schema === undefined) return [];
    const operations = sub.verbs.flatMap((verb): Operation[] => {
      const words = WORDS[verb];
      if (words === undefined) return [];
      const [method, action, word] = words;
      const body = verb === "create" || verb === "update" ? { body: schema } : {};
      return [
        {
          method,
          action,
          id: idOf(word, kind, upper(sub.name)),
          description: `${upper(word)}s ${sub.name} of a ${kind.kind}.`,
          parameters: verb === "get" ? [] : verb === "patch" ? [...WRITING, FORCE] : WRITING,
          ...body,
          answer: schema,
          type: sub.body,
        },
      ];
    });
    return [{ path: `${item}/${sub.name}`, parameters: places, operations }];
  });
}

export function pathsOf(kind: Kind): Path[] {
  const root = rootOf(kind);
  const scope = kind.namespaced ? "/namespaces/{namespace}" : "";
  const collection = `${root}${scope}/${kind.plural}`;
  const item = `${collection}/{name}`;
  const space = kind.namespaced ? [NAMESPACE] : [];
  const places = [NAME, ...space, PRETTY];
  const onCollection = operationsOf(kind, COLLECTION);
  const paths: Path[] = [
    { path: collection, parameters: [...space, PRETTY], operations: onCollection },
    { path: item, parameters: places, operations: operationsOf(kind, ITEM) },
    ...subresourcePaths(kind, item, places),
  ];
  const list = onCollection.find(({ action }) => action === "list");
  if (kind.namespaced && list) {
    const everywhere = list.id.replace("Namespaced", "").concat("ForAllNamespaces");
    paths.push({
      path: `${root}/${kind.plural}`,
      parameters: [PRETTY],
      operations: [{ ...list, id: everywhere }],
    });
  }
  return paths.filter((each) => each.operations.length > 0);
}
