/** APIService: which server answers for a version of a group. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required } from "../../errors.ts";
import type { APIService } from "../../gen/apiregistration/v1.ts";
import type { Kind } from "../../kind.ts";
import { timeOf } from "../../time.ts";
import { invalidBy, oneOf } from "../../validation/checks.ts";
import { dns1035Label, dnsSubdomain, pathSegment, portNumber } from "../../validation/names.ts";

const GROUP_PRIORITY_MAX = 20_000;
const VERSION_PRIORITY_MAX = 1000;
const HTTPS = 443;
const STATUSES = ["True", "False", "Unknown"];

/** Requires the name `VERSION.GROUP`. */
function validateName({ metadata, spec }: APIService): FieldError[] {
  const { name = "" } = metadata;
  const wanted = `${spec.version ?? ""}.${spec.group ?? ""}`;
  if (name === "" || name === wanted || pathSegment(name).length > 0) return [];
  const rule = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`;
  return [invalid("metadata.name", name, rule)];
}

function validateServer({ spec }: APIService): FieldError[] {
  const { service, caBundle = "", insecureSkipTLSVerify: trusting = false } = spec;
  const path = "spec.insecureSkipTLSVerify";
  if (service === undefined) {
    return [
      ...(caBundle === ""
        ? []
        : [
            invalid(
              "spec.caBundle",
              `${Buffer.byteLength(caBundle, "base64")} bytes`,
              "local APIServices may not have a caBundle",
            ),
          ]),
      ...(trusting
        ? [invalid(path, trusting, "local APIServices may not have insecureSkipTLSVerify")]
        : []),
    ];
  }
  const { port = 0 } = service;
  return [
    ...((service.namespace ?? "") === "" ? [required("spec.service.namespace")] : []),
    ...((service.name ?? "") === "" ? [required("spec.service.name")] : []),
    ...portNumber(port).map((each) =>
      invalid("spec.service.port", port, `port is not valid: ${each}`),
    ),
    ...(trusting && caBundle !== ""
      ? [invalid(path, trusting, "may not be true if caBundle is present")]
      : []),
  ];
}

function validate(object: APIService): FieldError[] {
  const { group = "", version = "", groupPriorityMinimum, versionPriority } = object.spec;
  const errors = validateName(object);
  if (group === "" && version !== "v1") {
    const rule = "only v1 may have an empty group and it better be legacy kube";
    errors.push(required("spec.group", rule));
  }
  if (group !== "") errors.push(...invalidBy(dnsSubdomain, "spec.group", group));
  errors.push(...invalidBy(dns1035Label, "spec.version", version));
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > GROUP_PRIORITY_MAX) {
    const rule = `must be positive and less than ${GROUP_PRIORITY_MAX}`;
    errors.push(invalid("spec.groupPriorityMinimum", groupPriorityMinimum, rule));
  }
  if (versionPriority <= 0 || versionPriority > VERSION_PRIORITY_MAX) {
    const rule = `must be positive and less than ${VERSION_PRIORITY_MAX}`;
    errors.push(invalid("spec.versionPriority", versionPriority, rule));
  }
  return [...errors, ...validateServer(object)];
}

/** The condition of an APIService without a Service: this server serves it itself. */
const available = (now_ms: number) => ({
  type: "Available",
  status: "True",
  lastTransitionTime: timeOf(now_ms),
  reason: "Local",
  message: "Local APIServices are always available",
});

const SCHEMA = "apiregistration/v1.APIService";

export const apiService: Kind<APIService> = defineKind<APIService>(SCHEMA, {
  nameRule: pathSegment,
  unconditionalUpdate: false,
  defaults({ spec }) {
    if (spec.service !== undefined) spec.service.port ??= HTTPS;
  },
  prepareCreate(object, { now_ms }) {
    if (object.spec.service === undefined) object.status = { conditions: [available(now_ms)] };
  },
  validate,
  status: {
    validateUpdate: ({ status }) =>
      (status?.conditions ?? []).flatMap((each, index) =>
        oneOf(each.status ?? "", STATUSES, `status.conditions[${index}].status`),
      ),
  },
  columns: [
    nameColumn,
    column("Service", ({ spec }) =>
      spec.service === undefined ? "Local" : `${spec.service.namespace}/${spec.service.name}`,
    ),
    column(
      "Available",
      ({ status }) =>
        status?.conditions?.find((each) => each.type === "Available")?.status ?? "Unknown",
    ),
    ageColumn,
  ],
});
