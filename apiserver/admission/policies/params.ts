import type { ParamKind, ParamRef } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { walkFrom } from "../../cache/states.ts";
import { POLICY_PARAMS_MAX } from "../../limits.ts";
import type { Resource } from "../../resource/resource.ts";
import type { Resources } from "../../resource/resources.ts";
import { keyOf, prefixOf } from "../../storage/keys.ts";

/** A policy or binding that cannot be used as it is. */
export class ConfigurationError extends CodedError {
  constructor(message: string) {
    super("POLICY_CONFIGURATION", message);
  }
}

type Param = Readonly<KubeObject> | null;

/**
 * The objects with the parameters of a binding: one evaluation for each; null for a policy or
 * binding without. Throws ConfigurationError, also when there are none and the binding denies then.
 */
export async function collectParams(
  resources: Resources,
  paramKind: ParamKind | undefined,
  ref: ParamRef | undefined,
  namespace: string,
): Promise<readonly Param[]> {
  if (paramKind === undefined || ref === undefined) return [null];
  const { apiVersion, kind } = paramKind;
  const known = resources.kinds.find(
    (each) => each.kind === kind && apiVersionOf(each) === apiVersion && each.storage !== undefined,
  );
  const resource = known && resources.find(known.group, known.version, known.plural);
  if (resource === undefined) {
    throw new ConfigurationError(
      `failed to find resource referenced by paramKind: ` + `'${apiVersion}, Kind=${kind}'`,
    );
  }
  const found = await paramsIn(resource, ref, namespaceOf(resource, ref, namespace));
  if (found.length === 0 && ref.parameterNotFoundAction === "Deny") {
    throw new ConfigurationError(
      "no params found for policy binding with `Deny` parameterNotFoundAction",
    );
  }
  return found;
}

function namespaceOf({ kind }: Resource, ref: ParamRef, namespace: string): string {
  const own = ref.namespace ?? "";
  if (!kind.namespaced) {
    if (own === "") return "";
    throw new ConfigurationError(
      "paramRef.namespace must not be provided for a cluster-scoped `paramKind`",
    );
  }
  const place = own || namespace;
  if (place !== "") return place;
  throw new ConfigurationError(
    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
  );
}

async function paramsIn(
  resource: Resource,
  { name = "", selector }: ParamRef,
  namespace: string,
): Promise<readonly Param[]> {
  const { kind } = resource;
  const cache = await resource.cache();
  if (name !== "") {
    const entry = cache.get(keyOf(kind, namespace, name));
    return entry === undefined ? [] : [entry.shared()];
  }
  const found: Param[] = [];
  const prefix = prefixOf(kind, namespace);
  walkFrom(cache.state, prefix, prefix, (entry) => {
    if (matchesSelector(selector, entry.labels)) found.push(entry.shared());
    return found.length <= POLICY_PARAMS_MAX;
  });
  if (found.length <= POLICY_PARAMS_MAX) return found;
  throw new ConfigurationError(
    `paramRef.selector matches more than ${POLICY_PARAMS_MAX} objects; narrow it`,
  );
}
