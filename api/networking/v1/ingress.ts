/** Ingress and IngressClass: HTTP from outside, by host and path. */
import type {
  HTTPIngressPath, Ingress, IngressBackend, IngressClass,
} from "../../gen/networking/v1.ts";
import { ageColumn, column, nameColumn, NONE } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { forbidden, invalid, notSupported, required, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { immutable } from "../../validation/metadata.ts";
import {
  dnsLabel, dnsSubdomain, portName, portNumber, wildcardSubdomain,
} from "../../validation/names.ts";

const PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"];
const DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class";
const CLASS_ANNOTATION = "kubernetes.io/ingress.class";
const SHOWN = 3;
const NOT_ACTED_ON = "is stored, but no ingress controller comes with this cluster";

function validateBackend(backend: IngressBackend, path: string): FieldError[] {
  const { service, resource } = backend;
  if (service === undefined) {
    return resource === undefined
      ? [invalid(path, "", "resource or service backend is required")] : [];
  }
  if (resource !== undefined) {
    return [invalid(path, "", "cannot set both resource and service backends")];
  }
  const { name, port } = service;
  const errors = name === "" ? [required(`${path}.service.name`)]
    : dnsLabel(name).map((each) => invalid(`${path}.service.name`, name, each));
  const numbered = (port?.number ?? 0) !== 0;
  const named = (port?.name ?? "") !== "";
  if (named && numbered) errors.push(invalid(path, "", "cannot set both port name & port number"));
  else if (named) {
    errors.push(...portName(port!.name!).map((each) =>
      invalid(`${path}.service.port.name`, port!.name, each)));
  } else if (numbered) {
    errors.push(...portNumber(port!.number!).map((each) =>
      invalid(`${path}.service.port.number`, port!.number, each)));
  } else errors.push(required(path, "port name or number is required"));
  return errors;
}

function validatePath(rule: HTTPIngressPath, path: string): FieldError[] {
  const { path: prefix = "", pathType } = rule;
  const errors: FieldError[] = [];
  if (pathType === undefined) {
    return [required(`${path}.pathType`, "pathType must be specified")];
  }
  if (!PATH_TYPES.includes(pathType)) {
    errors.push(notSupported(`${path}.pathType`, pathType, PATH_TYPES));
  } else if (pathType !== "ImplementationSpecific" || prefix !== "") {
    if (!prefix.startsWith("/")) {
      errors.push(invalid(`${path}.path`, prefix, "must be an absolute path"));
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
      errors.push(...rule(host).map((each) =>
        invalid(`spec.tls[${index}].hosts[${position}]`, host, each)));
    });
    if (secretName !== "") {
      errors.push(...dnsSubdomain(secretName).map((each) =>
        invalid(`spec.tls[${index}].secretName`, secretName, each)));
    }
  });
  rules.forEach(({ host = "", http }, index) => {
    const at = `spec.rules[${index}]`;
    const rule = host.includes("*") ? wildcardSubdomain : dnsSubdomain;
    if (host !== "") errors.push(...rule(host).map((each) => invalid(`${at}.host`, host, each)));
    if (http !== undefined && http.paths.length === 0) errors.push(required(`${at}.http.paths`));
    http?.paths.forEach((each, position) =>
      errors.push(...validatePath(each, `${at}.http.paths[${position}]`)));
  });
  if (ingressClassName !== undefined) {
    errors.push(...dnsSubdomain(ingressClassName).map((each) =>
      invalid("spec.ingressClassName", ingressClassName, each)));
  }
  return errors;
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
    .map((each) => each.ip || each.hostname || "").filter((each) => each !== "");
  return [...new Set(found)].sort().join(",");
}

export const ingress: Kind<Ingress> = defineKind<Ingress>("networking/v1.Ingress", {
  generation: "spec",
  notActedOn: `Ingress ${NOT_ACTED_ON}`,
  validate,
  warnings: ({ metadata, spec }, old) =>
    old !== undefined || spec.ingressClassName !== undefined ||
      metadata.annotations?.[CLASS_ANNOTATION] === undefined ? []
      : [`annotation "${CLASS_ANNOTATION}" is deprecated, ` +
        "please use 'spec.ingressClassName' instead"],
  columns: [
    nameColumn,
    column("Class", (object) => object.spec.ingressClassName ?? NONE),
    column("Hosts", hostsCell),
    column("Address", addressCell),
    column("Ports", (object) => (object.spec.tls ?? []).length > 0 ? "80, 443" : "80"),
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
  const errors = /^[^/]+\/.+$/.test(controller) ? []
    : [invalid("spec.controller", controller,
      'must be a domain-prefixed path (such as "acme.io/foo")')];
  if (parameters?.scope === "Cluster" && parameters.namespace !== undefined) {
    errors.push(forbidden("spec.parameters.namespace",
      "parameters.namespace must not be set when scope is set to 'Cluster'"));
  }
  return errors;
}

const CLASS = "networking/v1.IngressClass";

export const ingressClass: Kind<IngressClass> = defineKind<IngressClass>(CLASS, {
  generation: "spec",
  notActedOn: `IngressClass ${NOT_ACTED_ON}`,
  defaults({ spec }) {
    if (spec.parameters !== undefined) spec.parameters.scope ??= "Cluster";
  },
  validate: validateClass,
  validateUpdate: (object, old) =>
    immutable("spec.controller", object.spec.controller, old.spec.controller),
  columns: [
    { ...nameColumn, value: (object: IngressClass) => `${object.metadata.name}` +
      `${object.metadata.annotations?.[DEFAULT_CLASS] === "true" ? " (default)" : ""}` },
    column("Controller", (object) => object.spec.controller ?? ""),
    column("Parameters", parametersCell),
    ageColumn,
  ],
});
