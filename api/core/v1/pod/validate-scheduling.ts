/** Where a pod may run: tolerations, affinity, spreading. */

import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
  tooMany,
} from "../../../errors.ts";
import type {
  Affinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from "../../../gen/core/v1.ts";
import { SCHEDULING_TERMS_MAX } from "../../../limits.ts";
import { eachOf, invalidBy, oneOf, oneOfIfSet } from "../../../validation/checks.ts";
import { validateLabelSelector } from "../../../validation/label-selector.ts";
import {
  dnsLabel,
  dnsSubdomain,
  inRange,
  labelValue,
  qualifiedName,
} from "../../../validation/names.ts";
import { validateLabelKeys } from "./label-keys.ts";

export const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

function validateToleration(toleration: Toleration, path: string): FieldError[] {
  const { key = "", operator = "", value = "", effect = "" } = toleration;
  const errors: FieldError[] = key === "" ? [] : invalidBy(qualifiedName, `${path}.key`, key);
  if (key === "" && operator !== "Exists") {
    const rule =
      "operator must be Exists when `key` is " +
      'empty, which means "match all values and all keys"';
    errors.push(invalid(`${path}.operator`, operator, rule));
  }
  if (toleration.tolerationSeconds !== undefined && effect !== "NoExecute") {
    const rule = "effect must be 'NoExecute' when `tolerationSeconds` is set";
    errors.push(invalid(`${path}.effect`, effect, rule));
  }
  if (operator === "Equal" || operator === "") {
    const complaints = labelValue(value);
    if (complaints.length > 0) {
      errors.push(invalid(`${path}.operator`, value, complaints.join(";")));
    }
  } else if (operator === "Exists") {
    if (value !== "") {
      const rule = "value must be empty when `operator` is 'Exists'";
      errors.push(invalid(`${path}.operator`, value, rule));
    }
  } else {
    const known = ["Equal", "Exists"];
    const compares = operator === "Lt" || operator === "Gt";
    errors.push(
      notSupported(`${path}.operator`, operator, compares ? [...known, "Lt", "Gt"] : known),
    );
  }
  if (effect !== "" && !TAINT_EFFECTS.includes(effect)) {
    errors.push(notSupported(`${path}.effect`, effect, TAINT_EFFECTS));
  }
  return errors;
}

export const validateTolerations = (
  tolerations: readonly Toleration[] = [],
  path: string,
): FieldError[] => eachOf(tolerations, path, validateToleration);

function validateNodeRequirement(requirement: NodeSelectorRequirement, path: string): FieldError[] {
  const { key, operator, values = [] } = requirement;
  const errors: FieldError[] = [];
  switch (operator) {
    case "In":
    case "NotIn":
      if (values.length === 0) {
        const rule = "must be specified when `operator` is 'In' or 'NotIn'";
        errors.push(required(`${path}.values`, rule));
      }
      break;
    case "Exists":
    case "DoesNotExist":
      if (values.length > 0) {
        const rule = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
        errors.push(forbidden(`${path}.values`, rule));
      }
      break;
    case "Gt":
    case "Lt":
      if (values.length !== 1) {
        const rule = "must be specified single value when `operator` is 'Lt' or 'Gt'";
        errors.push(required(`${path}.values`, rule));
      }
      break;
    default:
      errors.push(invalid(`${path}.operator`, operator, "not a valid selector operator"));
  }
  return [...errors, ...invalidBy(qualifiedName, `${path}.key`, key)];
}

/** Values that a node's label cannot have. */
function validateNodeValues(term: NodeSelectorTerm, path: string): FieldError[] {
  return eachOf(term.matchExpressions, `${path}.matchExpressions`, ({ values = [] }, place) =>
    eachOf(values, `${place}.values`, (value, at) => invalidBy(labelValue, at, value)),
  );
}

/** A term that must hold: its values are checked, as a wrong one would never match. */
export function validateRequiredTerm(term: NodeSelectorTerm, path: string): FieldError[] {
  return [...validateNodeTerm(term, path), ...validateNodeValues(term, path)];
}

const validateNodeTerm = (term: NodeSelectorTerm, path: string): FieldError[] => [
  ...eachOf(term.matchExpressions, `${path}.matchExpressions`, validateNodeRequirement),
  ...eachOf(term.matchFields, `${path}.matchFields`, (each, at) => {
    const { key, operator, values = [] } = each;
    const errors: FieldError[] = [];
    if (operator !== "In" && operator !== "NotIn") {
      errors.push(invalid(`${at}.operator`, operator, "not a valid selector operator"));
    } else if (values.length !== 1) {
      const rule =
        "must be only one value when `operator` is 'In' or " + "'NotIn' for node field selector";
      errors.push(required(`${at}.values`, rule));
    }
    if (key !== "metadata.name") {
      return [...errors, invalid(`${at}.key`, key, "not a valid field selector key")];
    }
    return [
      ...errors,
      ...values.flatMap((value, place) => invalidBy(dnsSubdomain, `${at}.values[${place}]`, value)),
    ];
  }),
];

const validatePodTerm = (term: PodAffinityTerm, path: string): FieldError[] => [
  ...validateLabelSelector(term.labelSelector, `${path}.labelSelector`),
  ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`),
  ...(term.namespaces ?? []).flatMap((name) => invalidBy(dnsLabel, `${path}.namespace`, name)),
  ...validateLabelKeys(term, path),
  ...(term.topologyKey === "" ? [required(`${path}.topologyKey`, "can not be empty")] : []),
  ...invalidBy(qualifiedName, `${path}.topologyKey`, term.topologyKey),
];

function validateWeight(weight: number, path: string): FieldError[] {
  return inRange(weight, 1, 100).length === 0
    ? []
    : [invalid(`${path}.weight`, weight, "must be in the range 1-100")];
}

export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const required_ = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const hard = "requiredDuringSchedulingIgnoredDuringExecution";
  const soft = "preferredDuringSchedulingIgnoredDuringExecution";
  if (required_ !== undefined) {
    const at = `${path}.nodeAffinity.${hard}.nodeSelectorTerms`;
    if (required_.nodeSelectorTerms.length === 0) {
      errors.push(required(at, "must have at least one node selector term"));
    }
    required_.nodeSelectorTerms.forEach((each, index) =>
      errors.push(...validateRequiredTerm(each, `${at}[${index}]`)),
    );
  }
  affinity?.nodeAffinity?.[soft]?.forEach((each, index) => {
    const at = `${path}.nodeAffinity.${soft}[${index}]`;
    errors.push(
      ...validateWeight(each.weight, at),
      ...validateNodeTerm(each.preference, `${at}.preference`),
    );
  });
  for (const name of ["podAffinity", "podAntiAffinity"] as const) {
    for (const list of [hard, soft] as const) {
      const count = affinity?.[name]?.[list]?.length ?? 0;
      if (count <= SCHEDULING_TERMS_MAX) continue;
      return [...errors, tooMany(`${path}.${name}.${list}`, count, SCHEDULING_TERMS_MAX)];
    }
    affinity?.[name]?.[hard]?.forEach((each, index) =>
      errors.push(...validatePodTerm(each, `${path}.${name}.${hard}[${index}]`)),
    );
    affinity?.[name]?.[soft]?.forEach((each, index) => {
      const at = `${path}.${name}.${soft}[${index}]`;
      errors.push(
        ...validateWeight(each.weight, at),
        ...validatePodTerm(each.podAffinityTerm, `${at}.podAffinityTerm`),
      );
    });
  }
  return errors;
}

const INCLUSIONS = ["Honor", "Ignore"];
const UNSATISFIABLE = ["DoNotSchedule", "ScheduleAnyway"];

export function validateSpreading(
  constraints: readonly TopologySpreadConstraint[] = [],
  path: string,
): FieldError[] {
  const { length } = constraints;
  if (length > SCHEDULING_TERMS_MAX) return [tooMany(path, length, SCHEDULING_TERMS_MAX)];
  const pairOf = (each: TopologySpreadConstraint): string =>
    `${each.topologyKey}, ${each.whenUnsatisfiable}`;
  return constraints.flatMap((each, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (each.maxSkew <= 0) {
      errors.push(invalid(`${at}.maxSkew`, each.maxSkew, "must be greater than zero"));
    }
    if (each.topologyKey === "") errors.push(required(`${at}.topologyKey`, "can not be empty"));
    errors.push(...oneOf(each.whenUnsatisfiable, UNSATISFIABLE, `${at}.whenUnsatisfiable`));
    const pair = pairOf(each);
    if (constraints.slice(index + 1).some((later) => pairOf(later) === pair)) {
      errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${pair}}`));
    }
    return [
      ...errors,
      ...validateMinDomains(each, `${at}.minDomains`),
      ...oneOfIfSet(each.nodeAffinityPolicy, INCLUSIONS, `${at}.nodeAffinityPolicy`),
      ...oneOfIfSet(each.nodeTaintsPolicy, INCLUSIONS, `${at}.nodeTaintsPolicy`),
      ...validateLabelSelector(each.labelSelector, `${at}.labelSelector`),
      ...validateLabelKeys(each, at),
    ];
  });
}

function validateMinDomains(
  { minDomains, whenUnsatisfiable }: TopologySpreadConstraint,
  path: string,
): FieldError[] {
  if (minDomains === undefined) return [];
  const errors = minDomains > 0 ? [] : [invalid(path, minDomains, "must be greater than zero")];
  if (whenUnsatisfiable === "DoNotSchedule") return errors;
  const rule = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
  return [...errors, invalid(path, minDomains, rule)];
}
