/**
 * The variables of expressions of webhooks and policies, and their types. Source:
 * k8s.io/apiserver/pkg/admission/plugin/cel and pkg/cel/mutation.
 */
import type { Environment } from "@raft2kube/cel/environment.ts";
import { Message } from "@raft2kube/cel/json.ts";
import { AUTHORIZER, RESOURCE_CHECK } from "@raft2kube/cel/libraries/authz.ts";
import { jsonPatchLibrary } from "@raft2kube/cel/libraries/jsonpatch.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import type { TypeProvider } from "@raft2kube/cel/library.ts";
import { objectTypes } from "@raft2kube/cel/objects.ts";
import {
  BOOL,
  DYN,
  INT,
  listOf,
  mapOf,
  objectType,
  STRING,
  TIMESTAMP,
  type Type,
} from "@raft2kube/cel/types.ts";

const LABELS = mapOf(STRING, STRING);
const TEXTS = listOf(STRING);
const KIND = objectType("kubernetes.GroupVersionKind");
const RESOURCE = objectType("kubernetes.GroupVersionResource");

/** The type of `request`. */
export const REQUEST: Type = objectType("kubernetes.AdmissionRequest");

/** The type of `namespaceObject`. */
export const NAMESPACE: Type = objectType("kubernetes.Namespace");

/** The type of a patch in a list of them. */
export const JSON_PATCH: Type = objectType("JSONPatch");

/** The type of an apply configuration. */
export const APPLIED: Type = objectType("Object");

/** The fields of the variables' types. */
export const PROVIDER: TypeProvider = objectTypes({
  [KIND.name]: { group: STRING, version: STRING, kind: STRING },
  [RESOURCE.name]: { group: STRING, version: STRING, resource: STRING },
  "kubernetes.UserInfo": {
    username: STRING,
    uid: STRING,
    groups: TEXTS,
    extra: mapOf(STRING, TEXTS),
  },
  [REQUEST.name]: {
    kind: KIND,
    resource: RESOURCE,
    subResource: STRING,
    requestKind: KIND,
    requestResource: RESOURCE,
    requestSubResource: STRING,
    name: STRING,
    namespace: STRING,
    operation: STRING,
    userInfo: objectType("kubernetes.UserInfo"),
    dryRun: BOOL,
    options: DYN,
  },
  "kubernetes.NamespaceMetadata": {
    name: STRING,
    generateName: STRING,
    namespace: STRING,
    labels: LABELS,
    annotations: LABELS,
    UID: STRING,
    creationTimestamp: TIMESTAMP,
    deletionGracePeriodSeconds: INT,
    deletionTimestamp: TIMESTAMP,
    generation: INT,
    resourceVersion: STRING,
    finalizers: TEXTS,
  },
  "kubernetes.NamespaceSpec": { finalizers: TEXTS },
  "kubernetes.NamespaceStatus": { phase: STRING },
  [NAMESPACE.name]: {
    metadata: objectType("kubernetes.NamespaceMetadata"),
    spec: objectType("kubernetes.NamespaceSpec"),
    status: objectType("kubernetes.NamespaceStatus"),
  },
  [JSON_PATCH.name]: { op: STRING, path: STRING, from: STRING, value: DYN },
});

/** Whether a type is of an apply configuration or its parts: `Object.spec`, of any fields. */
const isApplied = (name: string): boolean => /^Object(\.[^.]+)*$/.test(name);

/** The fields of the variables' types and of patches, which can be constructed. */
export const PATCHING: TypeProvider = {
  findType: (name) => (isApplied(name) ? objectType(name) : PROVIDER.findType(name)),
  findField: (type, field) => (isApplied(type) ? { type: DYN } : PROVIDER.findField(type, field)),
  construct: (type, fields) => new Message(objectType(type), fields),
};

/** The variables of an expression besides the request and its objects. */
export interface AdmissionScope {
  readonly params: boolean;
  readonly authorizer: boolean;
  /** Whether patches may be made: `Object` and `JSONPatch`. */
  readonly patches?: boolean;
  /** Types of the variables that the policy has declared so far. */
  readonly variables?: Readonly<Record<string, Type>>;
  /** Types of the objects, to find errors early; by default they are not known. */
  readonly typed?: {
    readonly object: Type;
    readonly params: Type;
    readonly provider: TypeProvider;
  };
}

export function environmentOf(scope: AdmissionScope): Environment {
  const { params, authorizer, patches = false, variables = {}, typed } = scope;
  const object = typed?.object ?? DYN;
  return KUBERNETES.extend({
    provider: typed?.provider ?? (patches ? PATCHING : PROVIDER),
    libraries: patches ? [jsonPatchLibrary] : [],
    variables: {
      object,
      oldObject: object,
      request: REQUEST,
      namespaceObject: NAMESPACE,
      ...(params && { params: typed?.params ?? DYN }),
      ...(authorizer && { authorizer: AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK }),
      ...Object.fromEntries(
        Object.entries(variables).map(([name, type]) => [`variables.${name}`, type]),
      ),
    },
  });
}
