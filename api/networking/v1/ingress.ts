/** Ingress and IngressClass: HTTP from outside, by host and path. */

import { isIP } from "node:net";
import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import {
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
} from "../../errors.ts";
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressClassParametersReference,
} from "../../gen/networking/v1.ts";
import type { Kind } from "../../kind.ts";
import { validateBalancerPlace } from "../../validation/addresses.ts";
import { invalidBy, requiredBy } from "../../validation/checks.ts";
import { immutable } from "../../validation/metadata.ts";
import {
  dnsLabel,
  dnsSubdomain,
  domainPath,
  pathSegment,
  portName,
  portNumber,
  wildcardSubdomain,
} from "../../validation/names.ts";

const PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"];
const PATH_PARTS = ["//", "/./", "/../", "%2f", "%2F"];
const PATH_ENDS = ["/..", "/."];
const DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION = "kubernetes.io/ingress.class";
const SHOWN = 3;
const SCOPES = ["Cluster", "Namespace"];
const CONTROLLER_LENGTH_MAX = 250;

/** Another object of the namespace, by group, kind and name. */
function validateReference(
  { apiGroup, kind, name }: { apiGroup?: string; kind: string; name: string },
  path: string,
): FieldError[] {
  const group = apiGroup === undefined ? [] : invalidBy(dnsSubdomain, `${path}.apiGroup`, apiGroup);
  return [
    ...group,
    ...(
      [
        ["kind", kind],
        ["name", name],
      ] as const
    ).flatMap(([field, text]) => requiredBy(pathSegment, `${path}.${field}`, text)),
  ];
}

function validateBackend(backend: IngressBackend, path: string): FieldError[] {
  const { service, resource } = backend;
  if (service === undefined) {
    return resource === undefined
      ? [invalid(path, "", "resource or service backend is required")]
      : validateReference(resource, `${path}.resource`);
  }
  if (resource !== undefined) {
    return [invalid(path, "", "cannot set both resource and service backends")];
  }
  const { name, port } = service;
  const errors = requiredBy(dnsLabel, `${path}.service.name`, name);
  const numbered = (port?.number ?? 0) !== 0;
  const named = (port?.name ?? "") !== "";
  if (named && numbered) errors.push(invalid(path, "", "cannot set both port name & port number"));
  else if (named) {
    errors.push(...invalidBy(portName, `${path}.service.port.name`, port!.name!));
  } else if (numbered) {
    errors.push(...invalidBy(portNumber, `${path}.service.port.number`, port!.number!));
  } else errors.push(required(path, "port name or number is required"));
  return errors;
}

/** Returns what is wrong with a path that controllers would resolve before they compare it. */
const pathProblems = (path: string): string[] => [
  ...PATH_PARTS.filter((each) => path.includes(each)).map((each) => `must not contain '${each}'`),
  ...PATH_ENDS.filter((each) => path.endsWith(each)).map((each) => `cannot end with '${each}'`),
];

function validatePath(rule: HTTPIngressPath, path: string): FieldError[] {
  const { path: prefix = "", pathType } = rule;
  const errors: FieldError[] = [];
  if (pathType === undefined) return [required(`${path}.pathType`, "pathType must be specified")];
  if (!PATH_TYPES.includes(pathType)) {
    errors.push(notSupported(`${path}.pathType`, pathType, PATH_TYPES));
  } else if (pathType !== "ImplementationSpecific" || prefix !== "") {
    if (!prefix.startsWith("/")) {
      errors.push(invalid(`${path}.path`, prefix, "must be an absolute path"));
    }
    if (pathType !== "ImplementationSpecific") {
      errors.push(...invalidBy(pathProblems, `${path}.path`, prefix));
    }
  }
  return [...errors, ...validateBackend(rule.backend, `${path}.backend`)];
}

function validate({ spec }: Ingress): FieldError[] {
  const { rules = [], defaultBackend, tls = [], ingressClassName } = spec;
  const errors: FieldError[] = [];
  if (rules.length === 0 && defaultBackend === undefined) {
    errors.push(invalid("spec", null, "either `defaultBackend` or `rules` must be specified"));
  }
  if (defaultBackend !== undefined) {
    errors.push(...validateBackend(defaultBackend, "spec.defaultBackend"));
  }
  tls.forEach(({ hosts = [], secretName = "" }, index) => {
    hosts.forEach((host, position) => {
      const rule = host.includes("*") ? wildcardSubdomain : dnsSubdomain;
      errors.push(...invalidBy(rule, `spec.tls[${index}].hosts[${position}]`, host));
    });
    if (secretName !== "") {
      errors.push(...invalidBy(dnsSubdomain, `spec.tls[${index}].secretName`, secretName));
    }
  });
  rules.forEach(({ host = "", http }, index) => {
    const at = `spec.rules[${index}]`;
    const rule = host.includes("*") ? wildcardSubdomain : dnsSubdomain;
    if (isIP(host) !== 0) {
      errors.push(invalid(`${at}.host`, host, "must be a DNS name, not an IP address"));
    }
    if (host !== "") errors.push(...invalidBy(rule, `${at}.host`, host));
    if (http !== undefined && http.paths.length === 0) errors.push(required(`${at}.http.paths`));
    http?.paths.forEach((each, position) =>
      errors.push(...validatePath(each, `${at}.http.paths[${position}]`)),
    );
  });
  if (ingressClassName !== undefined) {
    errors.push(...invalidBy(dnsSubdomain, "spec.ingressClassName", ingressClassName));
  }
  return errors;
}

function validateClassName({ metadata, spec }: Ingress): FieldError[] {
  const annotation = metadata.annotations?.[CLASS_ANNOTATION];
  if (annotation === undefined || spec.ingressClassName === undefined) return [];
  if (annotation === spec.ingressClassName) return [];
  const rule = "must match `ingressClassName` when both are specified";
  return [invalid(`annotations.${CLASS_ANNOTATION}`, annotation, rule)];
}

function hostsCell(ingress: Ingress): string {
  const rules = ingress.spec.rules ?? [];
  const hosts = rules.map((each) => each.host ?? "").filter((each) => each !== "");
  if (hosts.length === 0) return "*";
  const shown = hosts.slice(0, SHOWN).join(",");
  return rules.length > SHOWN ? `${shown} + ${rules.length - SHOWN} more...` : shown;
}

function addressCell(ingress: Ingress): string {
  const found = (ingress.status?.loadBalancer?.ingress ?? [])
    .map((each) => each.ip || each.hostname || "")
    .filter((each) => each !== "");
  return [...new Set(found)].sort().join(",");
}

export const ingress: Kind<Ingress> = defineKind<Ingress>("networking/v1.Ingress", {
  generation: "spec",
  validate,
  validateCreate: validateClassName,
  warnings: ({ metadata, spec }, old) =>
    old !== undefined ||
    spec.ingressClassName !== undefined ||
    metadata.annotations?.[CLASS_ANNOTATION] === undefined
      ? []
      : [
          `annotation "${CLASS_ANNOTATION}" is deprecated, ` +
            "please use 'spec.ingressClassName' instead",
        ],
  status: {
    validateUpdate: ({ status }) =>
      (status?.loadBalancer?.ingress ?? []).flatMap(({ ip = "", hostname = "" }, index) => {
        const at = `status.loadBalancer.ingress[${index}]`;
        return validateBalancerPlace(ip, hostname, at);
      }),
  },
  columns: [
    nameColumn,
    column("Class", (object) => object.spec.ingressClassName ?? NONE),
    column("Hosts", hostsCell),
    column("Address", addressCell),
    column("Ports", (object) => ((object.spec.tls ?? []).length > 0 ? "80, 443" : "80")),
    ageColumn,
  ],
});

function parametersCell({ spec }: IngressClass): string {
  const { parameters } = spec;
  if (parameters === undefined) return NONE;
  const group = parameters.apiGroup === undefined ? "" : `.${parameters.apiGroup}`;
  return `${parameters.kind}${group}/${parameters.name}`;
}

function validateClass({ spec }: IngressClass): FieldError[] {
  const { controller = "", parameters } = spec;
  if (controller === "") return [required("spec.controller")];
  const errors = invalidBy(domainPath, "spec.controller", controller);
  if (controller.length > CONTROLLER_LENGTH_MAX) {
    errors.push(tooLong("spec.controller", CONTROLLER_LENGTH_MAX));
  }
  return parameters === undefined
    ? errors
    : [
        ...errors,
        ...validateReference(parameters, "spec.parameters"),
        ...validateScope(parameters, "spec.parameters"),
      ];
}

/** Where the parameters are: everywhere, or in a namespace that is named. */
function validateScope(
  { scope = "", namespace }: IngressClassParametersReference,
  path: string,
): FieldError[] {
  if (!SCOPES.includes(scope)) return [notSupported(`${path}.scope`, scope, SCOPES)];
  const at = `${path}.namespace`;
  if (scope === "Cluster") {
    return namespace === undefined ? [] : [forbidden(at, "`parameters.scope` is set to 'Cluster'")];
  }
  if (namespace === undefined) return [required(at, "`parameters.scope` is set to 'Namespace'")];
  return invalidBy(dnsLabel, at, namespace);
}

const CLASS = "networking/v1.IngressClass";

export const ingressClass: Kind<IngressClass> = defineKind<IngressClass>(CLASS, {
  generation: "spec",
  defaults({ spec }) {
    if (spec.parameters !== undefined) spec.parameters.scope ??= "Cluster";
  },
  validate: validateClass,
  validateUpdate: (object, old) =>
    immutable("spec.controller", object.spec.controller, old.spec.controller),
  columns: [
    {
      ...nameColumn,
      value: (object: IngressClass) =>
        `${object.metadata.name}` +
        `${object.metadata.annotations?.[DEFAULT_CLASS] === "true" ? " (default)" : ""}`,
    },
    column("Controller", (object) => object.spec.controller ?? ""),
    column("Parameters", parametersCell),
    ageColumn,
  ],
});
