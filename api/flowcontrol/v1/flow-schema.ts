/** FlowSchema: which requests go to which priority level. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../../errors.ts";
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from "../../gen/flowcontrol/v1.ts";
import type { Kind } from "../../kind.ts";
import { eachOf, invalidBy } from "../../validation/checks.ts";
import { dnsLabel, dnsSubdomain } from "../../validation/names.ts";
import { validateStarred } from "../../validation/starred.ts";
import { validateConditionTypes } from "./conditions.ts";

const PRECEDENCE_MAX = 10_000;
const PRECEDENCE_BY_DEFAULT = 1000;
const EXEMPT = "exempt";
const CATCH_ALL = "catch-all";
const DISTINGUISHERS = ["ByNamespace", "ByUser"];
const VERBS = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "proxy",
  "update",
  "watch",
];

/** The parts of a subject, and the kind that each belongs to. */
const PARTS = [
  ["user", "User"],
  ["group", "Group"],
  ["serviceAccount", "ServiceAccount"],
] as const;

function validateSubject(subject: Subject, path: string): FieldError[] {
  const own = PARTS.find(([, kind]) => kind === subject.kind);
  if (own === undefined) {
    const kinds = PARTS.map(([, kind]) => kind as string).sort();
    return [notSupported(`${path}.kind`, subject.kind, kinds)];
  }
  const others = PARTS.filter((each) => each !== own && subject[each[0]] !== undefined).map(
    ([part, kind]) =>
      forbidden(`${path}.${part}`, `${part} is forbidden when subject kind is not '${kind}'`),
  );
  return [...validatePart(subject, own, `${path}.${own[0]}`), ...others];
}

function validatePart(
  subject: Subject,
  [part, kind]: (typeof PARTS)[number],
  path: string,
): FieldError[] {
  const value = subject[part];
  if (value === undefined) {
    return [required(path, `${part} is required when subject kind is '${kind}'`)];
  }
  const { name } = value;
  const errors: FieldError[] = name === "" ? [required(`${path}.name`)] : [];
  if (!("namespace" in value)) return errors;
  if (name !== "" && name !== "*") errors.push(...invalidBy(dnsSubdomain, `${path}.name`, name));
  const { namespace } = value;
  if (namespace === "") {
    return [...errors, required(`${path}.namespace`, "must specify namespace for service account")];
  }
  return [...errors, ...invalidBy(dnsLabel, `${path}.namespace`, namespace)];
}

function validateVerbs(verbs: readonly string[], path: string): FieldError[] {
  const errors = validateStarred(verbs, path, "verbs", "verbs must contain at least one value");
  if (verbs.includes("*") || verbs.every((each) => VERBS.includes(each))) return errors;
  return [...errors, notSupported(path, verbs, VERBS)];
}

function validateResourceRule(rule: ResourcePolicyRule, path: string): FieldError[] {
  const { verbs = [], apiGroups = [], resources = [], namespaces = [] } = rule;
  const errors = [
    ...validateVerbs(verbs, `${path}.verbs`),
    ...validateStarred(
      apiGroups,
      `${path}.apiGroups`,
      "api groups",
      "resource rules must supply at least one api group",
    ),
    ...validateStarred(
      resources,
      `${path}.resources`,
      "resources",
      "resource rules must supply at least one resource",
    ),
  ];
  if (namespaces.length === 0 && rule.clusterScope !== true) {
    const why = "resource rules that are not cluster scoped must supply at least one namespace";
    errors.push(required(`${path}.namespaces`, why));
  } else if (namespaces.includes("*")) {
    errors.push(...validateStarred(namespaces, `${path}.namespaces`, "namespaces"));
  } else {
    namespaces.forEach((name, index) =>
      errors.push(
        ...dnsLabel(name).map((each) =>
          invalid(
            `${path}.namespaces[${index}]`,
            name,
            `each member of this list must be '*' or a DNS-1123 label; ${each}`,
          ),
        ),
      ),
    );
  }
  return errors;
}

/** Validates a path that ends in `/*` or has no star; returns at most one error. */
function pathComplaint(path: string): string | undefined {
  if (path === "") return "must not be empty";
  if (path === "/") return undefined;
  if (!path.startsWith("/")) return "must start with slash";
  if (path.includes(" ")) return "must not contain white-space";
  if (path.includes("//")) return "must not contain double slash";
  const stars = path.split("*").length - 1;
  return stars > 1 || (stars === 1 && !path.endsWith("/*"))
    ? "wildcard can only do suffix matching"
    : undefined;
}

function validatePathRule(rule: NonResourcePolicyRule, path: string): FieldError[] {
  const { verbs = [], nonResourceURLs: paths = [] } = rule;
  const errors = [
    ...validateVerbs(verbs, `${path}.verbs`),
    ...validateStarred(
      paths,
      `${path}.nonResourceURLs`,
      "non-resource URLs",
      "nonResourceURLs must contain at least one value",
    ),
  ];
  if (paths.includes("*")) return errors;
  return [
    ...errors,
    ...eachOf(paths, `${path}.nonResourceURLs`, (each, at) => {
      const complaint = pathComplaint(each);
      return complaint === undefined ? [] : [invalid(at, each, complaint)];
    }),
  ];
}

function validateRule(rule: PolicyRulesWithSubjects, path: string): FieldError[] {
  const { subjects = [], resourceRules = [], nonResourceRules = [] } = rule;
  const errors =
    subjects.length === 0
      ? [required(`${path}.subjects`, "subjects must contain at least one value")]
      : eachOf(subjects, `${path}.subjects`, validateSubject);
  if (resourceRules.length === 0 && nonResourceRules.length === 0) {
    const why = "at least one of resourceRules and nonResourceRules has to be non-empty";
    errors.push(required(path, why));
  }
  return [
    ...errors,
    ...eachOf(resourceRules, `${path}.resourceRules`, validateResourceRule),
    ...eachOf(nonResourceRules, `${path}.nonResourceRules`, validatePathRule),
  ];
}

function validate(object: FlowSchema): FieldError[] {
  const { metadata, spec, status } = object;
  const errors: FieldError[] = [];
  const { matchingPrecedence: precedence, distinguisherMethod: method } = spec;
  const at = "spec.matchingPrecedence";
  if (precedence <= 0) errors.push(invalid(at, precedence, "must be a positive value"));
  if (precedence > PRECEDENCE_MAX) {
    errors.push(invalid(at, precedence, `must not be greater than ${PRECEDENCE_MAX}`));
  }
  if (precedence === 1 && metadata.name !== EXEMPT) {
    const rule = "only the schema named 'exempt' may have matchingPrecedence 1";
    errors.push(invalid(at, precedence, rule));
  }
  if (method !== undefined && !DISTINGUISHERS.includes(method.type)) {
    errors.push(notSupported("spec.distinguisherMethod.type", method, DISTINGUISHERS));
  }
  const level = spec.priorityLevelConfiguration.name;
  if (level === "") {
    const rule = "must reference a priority level";
    errors.push(required("spec.priorityLevelConfiguration.name", rule));
  } else {
    errors.push(...invalidBy(dnsSubdomain, "spec.priorityLevelConfiguration.name", level));
  }
  return [
    ...errors,
    ...eachOf(spec.rules, "spec.rules", validateRule),
    ...validateMandatory(object),
    ...validateConditionTypes(status?.conditions),
  ];
}

function everything(...groups: string[]): PolicyRulesWithSubjects[] {
  const all = ["*"];
  return [
    {
      subjects: groups.map((name) => ({ kind: "Group", group: { name } })),
      resourceRules: [
        { verbs: all, apiGroups: all, resources: all, namespaces: all, clusterScope: true },
      ],
      nonResourceRules: [{ verbs: all, nonResourceURLs: all }],
    },
  ];
}

/** The schemas of masters, and of all that no other takes, which cannot be changed. */
const MANDATORY = new Map<string, FlowSchema["spec"]>([
  [
    EXEMPT,
    {
      priorityLevelConfiguration: { name: EXEMPT },
      matchingPrecedence: 1,
      rules: everything("system:masters"),
    },
  ],
  [
    CATCH_ALL,
    {
      priorityLevelConfiguration: { name: CATCH_ALL },
      matchingPrecedence: PRECEDENCE_MAX,
      distinguisherMethod: { type: "ByUser" },
      rules: everything("system:unauthenticated", "system:authenticated"),
    },
  ],
]);

function validateMandatory({ metadata: { name = "" }, spec }: FlowSchema): FieldError[] {
  const fixed = MANDATORY.get(name);
  if (fixed === undefined || isDeepStrictEqual(spec, fixed)) return [];
  return [invalid("spec", spec, `spec of '${name}' must equal the fixed value`)];
}

export const flowSchema: Kind<FlowSchema> = defineKind<FlowSchema>("flowcontrol/v1.FlowSchema", {
  generation: "spec",
  defaults({ spec }) {
    spec.matchingPrecedence ||= PRECEDENCE_BY_DEFAULT;
  },
  validate,
  status: { validateUpdate: ({ status }) => validateConditionTypes(status?.conditions) },
  columns: [
    nameColumn,
    column("PriorityLevel", ({ spec }) => spec.priorityLevelConfiguration.name),
    column("MatchingPrecedence", ({ spec }) => spec.matchingPrecedence ?? 0),
    column("DistinguisherMethod", ({ spec }) => spec.distinguisherMethod?.type ?? NONE),
    ageColumn,
    column(
      "MissingPL",
      ({ status }) => status?.conditions?.find((each) => each.type === "Dangling")?.status ?? "?",
    ),
  ],
});
