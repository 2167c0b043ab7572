import {
  NAMESPACE,
  PATCHING,
  PROVIDER,
  REQUEST,
} from "@raft2kube/api/admissionregistration/v1/environment.ts";
import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { AUTHORIZER, RESOURCE_CHECK } from "@raft2kube/cel/libraries/authz.ts";
import { jsonPatchLibrary } from "@raft2kube/cel/libraries/jsonpatch.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import type { TypeProvider } from "@raft2kube/cel/library.ts";
import { DYN, type Type } from "@raft2kube/cel/types.ts";

export { NAMESPACE, PROVIDER, REQUEST };

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
    return program === undefined
      ? { text, error: `compilation failed: ${errors.message}` }
      : { text, program };
  };
}
