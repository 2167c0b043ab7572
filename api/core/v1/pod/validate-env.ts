import { formatQuantity, parseQuantity } from "@raft2kube/std/quantity.ts";
import { type FieldError, invalid, notSupported, required } from "../../../errors.ts";
import type {
  EnvFromSource,
  EnvVar,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from "../../../gen/core/v1.ts";
import { eachOf, invalidBy, requiredBy } from "../../../validation/checks.ts";
import { configKey, dnsSubdomain, envVarName, qualifiedName } from "../../../validation/names.ts";

const ENV_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
const VOLUME_FIELDS = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];
const RESOURCE_FIELDS = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const HUGE_PAGES = /^(limits|requests)\.hugepages-/;

/** A field of the pod that a variable or a file shows. */
export function validateFieldRef(
  selector: ObjectFieldSelector,
  path: string,
  place: "env" | "volume",
): FieldError[] {
  const { fieldPath } = selector;
  if (fieldPath === "") return [required(`${path}.fieldPath`)];
  const at = fieldPath.lastIndexOf("['", fieldPath.length - "['']".length);
  if (at >= 0 && fieldPath.endsWith("']")) {
    const map = fieldPath.slice(0, at);
    const key = fieldPath.slice(at + 2, -2);
    if (map !== "metadata.annotations" && map !== "metadata.labels") {
      return [invalid(path, map, "does not support subscript")];
    }
    const checked = map === "metadata.annotations" ? key.toLowerCase() : key;
    return invalidBy(qualifiedName, path, checked);
  }
  const allowed = place === "env" ? ENV_FIELDS : VOLUME_FIELDS;
  if (allowed.includes(fieldPath)) return [];
  if ([...ENV_FIELDS, ...VOLUME_FIELDS, "spec.restartPolicy"].includes(fieldPath)) {
    return [notSupported(`${path}.fieldPath`, fieldPath, allowed)];
  }
  const rule = `error converting fieldPath: field label not supported: ${fieldPath}`;
  return [invalid(`${path}.fieldPath`, fieldPath, rule)];
}

/** A request or limit of a container that a variable or a file shows. */
export function validateResourceRef(
  selector: ResourceFieldSelector,
  path: string,
  place: "env" | "volume",
): FieldError[] {
  const { resource, containerName = "" } = selector;
  const errors = validateDivisor(selector, `${path}.divisor`);
  if (place === "volume" && containerName === "") {
    return [required(`${path}.containerName`), ...errors];
  }
  if (resource === "") return [required(`${path}.resource`), ...errors];
  if (RESOURCE_FIELDS.includes(resource) || HUGE_PAGES.test(resource)) return errors;
  return [notSupported(`${path}.resource`, resource, RESOURCE_FIELDS), ...errors];
}

const SIZES = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei";

/** The units in which each kind of resource is shown. */
const DIVISORS: readonly (readonly [of: RegExp, units: string, shown: string, name: string])[] = [
  [/\.cpu$/, "1m, 1", "1m and 1", "cpu"],
  [/\.memory$/, SIZES, SIZES, "memory"],
  [/\.ephemeral-storage$/, SIZES, SIZES, "local ephemeral storage"],
  [HUGE_PAGES, SIZES, SIZES, "hugepages"],
];

function validateDivisor({ resource, divisor }: ResourceFieldSelector, path: string): FieldError[] {
  if (divisor === undefined || parseQuantity(divisor).nanos === 0n) return [];
  const found = DIVISORS.find(([of]) => of.test(resource));
  if (found === undefined) return [];
  const [, units, shown, name] = found;
  const unit = formatQuantity(parseQuantity(divisor));
  if (units.split(", ").includes(unit)) return [];
  const detail = `only divisor's values ${shown} are supported with the ${name} resource`;
  return [invalid(path, resource, detail)];
}

function validateKeyRef(selector: { name?: string; key: string }, path: string): FieldError[] {
  const name = selector.name ?? "";
  const errors = invalidBy(dnsSubdomain, `${path}.name`, name);
  if (selector.key === "") return [...errors, required(`${path}.key`)];
  return [...errors, ...invalidBy(configKey, `${path}.key`, selector.key)];
}

function validateValueFrom(variable: EnvVar, path: string): FieldError[] {
  const from = variable.valueFrom;
  if (from === undefined) return [];
  const errors: FieldError[] = [];
  if (from.fieldRef) errors.push(...validateFieldRef(from.fieldRef, `${path}.fieldRef`, "env"));
  if (from.resourceFieldRef) {
    errors.push(...validateResourceRef(from.resourceFieldRef, `${path}.resourceFieldRef`, "env"));
  }
  if (from.configMapKeyRef) {
    errors.push(...validateKeyRef(from.configMapKeyRef, `${path}.configMapKeyRef`));
  }
  if (from.secretKeyRef) errors.push(...validateKeyRef(from.secretKeyRef, `${path}.secretKeyRef`));
  const sources = Object.values(from).filter((each) => each !== undefined).length;
  if (sources === 0) {
    const rule =
      "must specify one of: `fieldRef`, `resourceFieldRef`, " +
      "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
    errors.push(invalid(path, "", rule));
  } else if ((variable.value ?? "") !== "") {
    errors.push(invalid(path, "", "may not be specified when `value` is not empty"));
  } else if (sources > 1) {
    errors.push(invalid(path, "", "may not have more than one field specified at a time"));
  }
  return errors;
}

/** A container's variables. */
export function validateEnv(variables: readonly EnvVar[] = [], path: string): FieldError[] {
  return eachOf(variables, path, (variable, at) => {
    const name = requiredBy(envVarName, `${at}.name`, variable.name);
    return [...name, ...validateValueFrom(variable, `${at}.valueFrom`)];
  });
}

/** Whole ConfigMaps and Secrets taken as variables. */
export function validateEnvFrom(
  sources: readonly EnvFromSource[] = [],
  path: string,
): FieldError[] {
  return eachOf(sources, path, (source, at) => {
    const errors: FieldError[] = [];
    if ((source.prefix ?? "") !== "") {
      errors.push(...invalidBy(envVarName, `${at}.prefix`, source.prefix!));
    }
    const refs = [
      ["configMapRef", source.configMapRef],
      ["secretRef", source.secretRef],
    ] as const;
    const given = refs.filter(([, ref]) => ref !== undefined);
    for (const [key, ref] of given) {
      const name = ref?.name ?? "";
      errors.push(...requiredBy(dnsSubdomain, `${at}.${key}.name`, name));
    }
    if (given.length === 0) {
      errors.push(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"));
    } else if (given.length > 1) {
      errors.push(invalid(path, "", "may not have more than one field specified at a time"));
    }
    return errors;
  });
}
