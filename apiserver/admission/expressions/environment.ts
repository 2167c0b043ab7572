import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { Message } from "@raft2kube/cel/json.ts";
import type { TypeProvider } from "@raft2kube/cel/library.ts";
import { AUTHORIZER, RESOURCE_CHECK } from "@raft2kube/cel/libraries/authz.ts";
import { jsonPatchLibrary } from "@raft2kube/cel/libraries/jsonpatch.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import {
  BOOL, DYN, INT, listOf, mapOf, objectType, STRING, TIMESTAMP, type Type,
} from "@raft2kube/cel/types.ts";

const LABELS = mapOf(STRING, STRING);
const TEXTS = listOf(STRING);

/** Types of the variables, by their names and fields (upstream: admission/plugin/cel). */
const FIELDS: Readonly<Record<string, Readonly<Record<string, Type>>>> = {
  "kubernetes.GroupVersionKind": { group: STRING, version: STRING, kind: STRING },
  "kubernetes.GroupVersionResource": { group: STRING, version: STRING, resource: STRING },
  "kubernetes.UserInfo": {
    username: STRING, uid: STRING, groups: TEXTS, extra: mapOf(STRING, TEXTS),
  },
  "kubernetes.AdmissionRequest": {
    kind: objectType("kubernetes.GroupVersionKind"),
    resource: objectType("kubernetes.GroupVersionResource"),
    subResource: STRING,
    requestKind: objectType("kubernetes.GroupVersionKind"),
    requestResource: objectType("kubernetes.GroupVersionResource"),
    requestSubResource: STRING,
    name: STRING,
    namespace: STRING,
    operation: STRING,
    userInfo: objectType("kubernetes.UserInfo"),
    dryRun: BOOL,
    options: DYN,
  },
  "kubernetes.NamespaceMetadata": {
    name: STRING, generateName: STRING, namespace: STRING, labels: LABELS, annotations: LABELS,
    UID: STRING, creationTimestamp: TIMESTAMP, deletionGracePeriodSeconds: INT,
    deletionTimestamp: TIMESTAMP, generation: INT, resourceVersion: STRING, finalizers: TEXTS,
  },
  "kubernetes.NamespaceSpec": { finalizers: TEXTS },
  "kubernetes.NamespaceStatus": { phase: STRING },
  "kubernetes.Namespace": {
    metadata: objectType("kubernetes.NamespaceMetadata"),
    spec: objectType("kubernetes.NamespaceSpec"),
    status: objectType("kubernetes.NamespaceStatus"),
  },
  JSONPatch: { op: STRING, path: STRING, from: STRING, value: DYN },
};

/** The types of objects that an apply configuration is made of: `Object.spec`, of any fields. */
const isApplied = (name: string): boolean => /^Object(\.[^.]+)*$/.test(name);

const PROVIDER: TypeProvider = {
  findType: (name) => Object.hasOwn(FIELDS, name) ? objectType(name) : undefined,
  findField(type, field) {
    const fields = Object.hasOwn(FIELDS, type) ? FIELDS[type]! : {};
    return Object.hasOwn(fields, field) ? { type: fields[field]! } : undefined;
  },
};

/** The same, for expressions that make patches. */
const PATCHING: TypeProvider = {
  findType: (name) => isApplied(name) ? objectType(name) : PROVIDER.findType(name),
  findField: (type, field) => isApplied(type) ? { type: DYN } : PROVIDER.findField(type, field),
  construct: (type, fields) => new Message(objectType(type), fields),
};

export const REQUEST: Type = objectType("kubernetes.AdmissionRequest");
export const NAMESPACE: Type = objectType("kubernetes.Namespace");
export { PROVIDER };

/** The names that an expression may refer to besides the request and its objects. */
export interface Scope {
  readonly params: boolean;
  readonly authorizer: boolean;
  readonly patches?: boolean;
  /** Types of the objects, to find errors early; by default they are not known. */
  readonly typed?: {
    readonly object: Type;
    readonly params: Type;
    readonly provider: TypeProvider;
  };
  /** Types of the variables of a policy that come before. */
  readonly variables?: Readonly<Record<string, Type>>;
}

function environmentOf(scope: Scope): Environment {
  const { params, authorizer, patches = false, variables = {}, typed } = scope;
  const object = typed?.object ?? DYN;
  return KUBERNETES.extend({
    provider: typed?.provider ?? (patches ? PATCHING : PROVIDER),
    libraries: patches ? [jsonPatchLibrary] : [],
    variables: {
      object, oldObject: object, request: REQUEST, namespaceObject: NAMESPACE,
      ...(params && { params: typed?.params ?? DYN }),
      ...(authorizer && { authorizer: AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK }),
      ...Object.fromEntries(
        Object.entries(variables).map(([name, type]) => [`variables.${name}`, type])),
    },
  });
}

/** An expression, compiled once; `error` says why it cannot be. */
export interface Expression {
  readonly text: string;
  readonly program?: Program;
  readonly error?: string;
}

/** Compiles the expressions of a scope. */
export function compiler(scope: Scope): (text: string) => Expression {
  const environment = environmentOf(scope);
  return (text) => {
    const { program, errors } = environment.compile(text.trim());
    return program === undefined ? { text, error: `compilation failed: ${errors.message}` }
      : { text, program };
  };
}
