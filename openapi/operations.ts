/** The operations of each kind: paths, verbs, parameters; the same for both versions. */
import { type GroupVersionKind, isBuiltIn, type Kind, type Verb } from "@raft2kube/api/kind.ts";
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

const STATUS = "meta/v1.Status";

const schemaOf = ({ schema }: Kind): string => structOf(schema).name;

const upper = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** `listCoreV1NamespacedPod`: the words that operation ids are made of. */
function idOf(action: string, kind: Kind, suffix: string): string {
  const words = (kind.group || "core").split(".");
  const group = words
    .slice(0, isBuiltIn(kind) ? 1 : undefined)
    .map(upper)
    .join("");
  const scope = kind.namespaced ? "Namespaced" : "";
  return `${action}${group}${upper(kind.version)}${scope}${kind.kind}${suffix}`;
}

/** The root of a group and version: `/api/v1`, `/apis/apps/v1`. */
export function rootOf({ group, version }: { group: string; version: string }): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

type Maker = (kind: Kind) => Operation;

const COLLECTION: readonly (readonly [Verb, Maker])[] = [
  [
    "list",
    (kind) => ({
      method: "get",
      action: "list",
      id: idOf("list", kind, ""),
      description: `Lists or watches objects of kind ${kind.kind}.`,
      parameters: [...SELECTION, ...WATCHING],
      answer: `${schemaOf(kind)}List`,
      type: kind,
    }),
  ],
  [
    "create",
    (kind) => ({
      method: "post",
      action: "post",
      id: idOf("create", kind, ""),
      description: `Creates an object of kind ${kind.kind}.`,
      parameters: WRITING,
      body: schemaOf(kind),
      answer: schemaOf(kind),
      type: kind,
    }),
  ],
  [
    "deletecollection",
    (kind) => ({
      method: "delete",
      action: "deletecollection",
      id: idOf("deleteCollection", kind, ""),
      description: `Deletes objects of kind ${kind.kind}.`,
      parameters: [...SELECTION, ...DELETION],
      body: "meta/v1.DeleteOptions",
      answer: STATUS,
      type: kind,
    }),
  ],
];

const ITEM: readonly (readonly [Verb, Maker])[] = [
  [
    "get",
    (kind) => ({
      method: "get",
      action: "get",
      id: idOf("read", kind, ""),
      description: `Reads one object of kind ${kind.kind}.`,
      parameters: [],
      answer: schemaOf(kind),
      type: kind,
    }),
  ],
  [
    "update",
    (kind) => ({
      method: "put",
      action: "put",
      id: idOf("replace", kind, ""),
      description: `Replaces an object of kind ${kind.kind}.`,
      parameters: WRITING,
      body: schemaOf(kind),
      answer: schemaOf(kind),
      type: kind,
    }),
  ],
  [
    "patch",
    (kind) => ({
      method: "patch",
      action: "patch",
      id: idOf("patch", kind, ""),
      description: `Changes parts of an object of kind ${kind.kind}.`,
      parameters: [...WRITING, FORCE],
      answer: schemaOf(kind),
      type: kind,
    }),
  ],
  [
    "delete",
    (kind) => ({
      method: "delete",
      action: "delete",
      id: idOf("delete", kind, ""),
      description: `Deletes an object of kind ${kind.kind}.`,
      parameters: DELETION,
      body: "meta/v1.DeleteOptions",
      answer: STATUS,
      type: kind,
    }),
  ],
];

/** Schemas of bodies that belong to another kind than their path. */
const BODIES: Readonly<Record<string, string>> = {
  Scale: "autoscaling/v1.Scale",
  Eviction: "policy/v1.Eviction",
  Binding: "core/v1.Binding",
  TokenRequest: "authentication/v1.TokenRequest",
};
const METHODS: Readonly<Record<string, Operation["method"]>> = {
  get: "get",
  create: "post",
  update: "put",
  patch: "patch",
  delete: "delete",
};
const WORDS: Readonly<Record<string, string>> = {
  get: "read",
  create: "create",
  update: "replace",
  patch: "patch",
  delete: "delete",
};

function subresourcePaths(kind: Kind, item: string, places: readonly Parameter[]): Path[] {
  return Object.values(kind.subresources).flatMap((sub) => {
    const schema = sub.body.kind === kind.kind ? schemaOf(kind) : BODIES[sub.body.kind];
    if (schema === undefined) return [];
    const operations = sub.verbs.flatMap((verb): Operation[] => {
      const method = METHODS[verb];
      if (method === undefined) return [];
      const body = verb === "create" || verb === "update" ? { body: schema } : {};
      return [
        {
          method,
          action: verb === "create" ? "post" : verb === "update" ? "put" : verb,
          id: idOf(WORDS[verb] ?? verb, kind, upper(sub.name)),
          description: `${upper(WORDS[verb] ?? verb)}s ${sub.name} of a ${kind.kind}.`,
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
  const allowed = (makers: readonly (readonly [Verb, Maker])[]): Operation[] =>
    makers.filter(([verb]) => kind.verbs.includes(verb)).map(([, make]) => make(kind));
  const paths: Path[] = [
    { path: collection, parameters: [...space, PRETTY], operations: allowed(COLLECTION) },
    { path: item, parameters: places, operations: allowed(ITEM) },
    ...subresourcePaths(kind, item, places),
  ];
  if (kind.namespaced && kind.verbs.includes("list")) {
    const list = COLLECTION[0]![1](kind);
    const everywhere = list.id.replace("Namespaced", "").concat("ForAllNamespaces");
    paths.push({
      path: `${root}/${kind.plural}`,
      parameters: [PRETTY],
      operations: [{ ...list, id: everywhere }],
    });
  }
  return paths.filter((each) => each.operations.length > 0);
}
