/** Names and small parts that the kinds of resource.k8s.io share. */

import { CompileBudget } from "@raft2kube/cel/budget.ts";
import { BINDINGS } from "@raft2kube/cel/comprehensions.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import { objectTypes } from "@raft2kube/cel/objects.ts";
import { BOOL, DYN, mapOf, objectType, STRING } from "@raft2kube/cel/types.ts";
import { validateDriverName } from "../../core/v1/pod/validate-volumes.ts";
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
} from "../../errors.ts";
import type {
  DeviceConfiguration,
  DeviceSelector,
  DeviceToleration,
} from "../../gen/resource/v1.ts";
import { invalidBy } from "../../validation/checks.ts";
import { dnsLabel, dnsSubdomain, labelValue, qualifiedName } from "../../validation/names.ts";

const ID_LENGTH_MAX = 32;
const DOMAIN_LENGTH_MAX = 63;
const NAME_LENGTH_MAX = DOMAIN_LENGTH_MAX + 1 + ID_LENGTH_MAX;
const POOL_LENGTH_MAX = 253;
const SELECTORS_MAX = 32;
const EXPRESSION_BYTES_MAX = 10 * 1024;
/** Steps of compiling all selectors of an object: 0.1 s. Upstream has no bound. */
const SELECTORS_STEPS_MAX = 1_000_000;
const PARAMETERS_BYTES_MAX = 10 * 1024;
export const TAINT_EFFECTS: readonly string[] = ["NoExecute", "NoSchedule", "None"];

const TOO_LARGE =
  "with it the selectors of this object are too large to be compiled: use fewer or shorter " +
  "expressions, and fewer repetitions in the patterns of matches()";

/** Selectors of devices. Source: k8s.io/dynamic-resource-allocation/cel. */
const SELECTORS = KUBERNETES.extend({
  libraries: [BINDINGS],
  provider: objectTypes({
    "kubernetes.DRADevice": {
      driver: STRING,
      attributes: mapOf(STRING, mapOf(STRING, DYN)),
      capacity: mapOf(STRING, mapOf(STRING, objectType("kubernetes.Quantity"))),
      allowMultipleAllocations: BOOL,
    },
  }),
  variables: { device: objectType("kubernetes.DRADevice") },
});

/** A list whose members differ by a key, each checked by itself. */
export function validateSet<T>(
  list: readonly T[],
  path: string,
  limit: number,
  keyOf: (item: T) => string,
  validateItem: (item: T, path: string) => FieldError[],
): FieldError[] {
  const errors = list.length > limit ? [tooMany(path, list.length, limit)] : [];
  const seen = new Set<string>();
  return [
    ...errors,
    ...list.flatMap((item, index) => {
      const at = `${path}[${index}]`;
      const key = keyOf(item);
      const found = seen.has(key) ? [duplicate(at, key)] : [];
      seen.add(key);
      return [...validateItem(item, at), ...found];
    }),
  ];
}

function identifier(text: string, path: string): FieldError[] {
  const long = text.length > ID_LENGTH_MAX ? [tooLong(path, ID_LENGTH_MAX)] : [];
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(text)) return long;
  const rule =
    "a valid C identifier must start with alphabetic " +
    "character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  " +
    "or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
  return [...long, invalid(path, text, rule)];
}

/** The name of an attribute or a capacity: an identifier, optionally with a domain before it. */
export function validateName(name: string, path: string): FieldError[] {
  const [first = "", second, ...more] = name.split("/");
  if (second === undefined) return identifier(first, path);
  if (more.length > 0) return [];
  return [
    ...(first === ""
      ? [invalid(path, "", "the domain must not be empty")]
      : validateDriverName(first, path)),
    ...(second === ""
      ? [invalid(path, "", "the name must not be empty")]
      : identifier(second, path)),
  ];
}

/** The same where a domain must be there. */
export function validateFullName(name: string, path: string): FieldError[] {
  const errors = validateName(name, path);
  if (name.includes("/")) return errors;
  const rule = "a fully qualified name must be a domain and a name separated by a slash";
  return [...errors, invalid(path, name, rule)];
}

/** Keys of a map of attributes, capacities or counters. */
export function validateKeys(
  map: object,
  path: string,
  validateKey: (name: string, path: string) => FieldError[],
): FieldError[] {
  return Object.keys(map).flatMap((key) => [
    ...(key.length > NAME_LENGTH_MAX ? [tooLong(path, NAME_LENGTH_MAX)] : []),
    ...validateKey(key, path),
  ]);
}

/** Subdomains with slashes between. */
export function validatePoolName(name: string, path: string): FieldError[] {
  if (name === "") return [required(path)];
  const long = name.length > POOL_LENGTH_MAX ? [tooLong(path, POOL_LENGTH_MAX)] : [];
  return [...long, ...name.split("/").flatMap((part) => invalidBy(dnsSubdomain, path, part))];
}

/** The name of a device, a request or a set of counters. */
export function validateLabel(name: string, path: string): FieldError[] {
  return invalidBy(dnsLabel, path, name);
}

/** Bounds what compiling the selectors of one object takes, however many there are. */
export const selectorBudget = (): CompileBudget => new CompileBudget(SELECTORS_STEPS_MAX);

/** Checks selectors of devices, all of which must match. The budget is their object's. */
export function validateSelectors(
  selectors: readonly DeviceSelector[] = [],
  path: string,
  budget: CompileBudget,
): FieldError[] {
  const errors =
    selectors.length > SELECTORS_MAX ? [tooMany(path, selectors.length, SELECTORS_MAX)] : [];
  return [
    ...errors,
    ...selectors.flatMap(({ cel }, index) => {
      const at = `${path}[${index}].cel`;
      if (cel === undefined) return [required(at)];
      if (Buffer.byteLength(cel.expression) > EXPRESSION_BYTES_MAX) {
        return [tooLong(`${at}.expression`, EXPRESSION_BYTES_MAX)];
      }
      if (budget.isSpent) return [];
      const { program, errors } = SELECTORS.compile(cel.expression, budget);
      if (budget.isSpent) return [forbidden(`${at}.expression`, TOO_LARGE)];
      if (errors !== undefined) {
        const complaint = `compilation failed: ${errors.message}`;
        return [invalid(`${at}.expression`, cel.expression, complaint)];
      }
      const { type } = program;
      if (type.is(BOOL) || type.is(DYN)) return [];
      const complaint = `must evaluate to bool or the unknown type, not ${type}`;
      return [invalid(`${at}.expression`, cel.expression, complaint)];
    }),
  ];
}

/** Opaque parameters that only the driver reads. */
export function validateConfiguration({ opaque }: DeviceConfiguration, path: string): FieldError[] {
  if (opaque === undefined) return [required(`${path}.opaque`)];
  const at = `${path}.opaque.parameters`;
  const parameters: unknown = opaque.parameters;
  const errors = validateDriverName(opaque.driver, `${path}.opaque.driver`);
  if (parameters === undefined || parameters === null) return [...errors, required(at)];
  if (typeof parameters !== "object" || Array.isArray(parameters)) {
    return [...errors, invalid(at, "<value omitted>", "must be a valid JSON object")];
  }
  return Buffer.byteLength(JSON.stringify(parameters)) <= PARAMETERS_BYTES_MAX
    ? errors
    : [...errors, tooLong(at, PARAMETERS_BYTES_MAX)];
}

export function validateToleration(toleration: DeviceToleration, path: string): FieldError[] {
  const { key = "", value = "" } = toleration;
  const operator: string = toleration.operator ?? "Equal";
  const effect: string = toleration.effect ?? "";
  const errors = key === "" ? [] : invalidBy(qualifiedName, `${path}.key`, key);
  if (operator === "") errors.push(required(`${path}.operator`));
  else if (operator === "Exists") {
    if (value !== "") {
      errors.push(invalid(`${path}.value`, value, "must be empty for operator `Exists`"));
    }
  } else if (operator === "Equal") {
    errors.push(...invalidBy(labelValue, `${path}.value`, value));
  } else errors.push(notSupported(`${path}.operator`, operator, ["Equal", "Exists"]));
  return effect === "" || TAINT_EFFECTS.includes(effect)
    ? errors
    : [...errors, notSupported(`${path}.effect`, effect, TAINT_EFFECTS)];
}
