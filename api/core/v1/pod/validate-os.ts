/** The rules of `spec.os`: a pod that says its system has no fields of the other one. */

import { type FieldError, forbidden, required } from "../../../errors.ts";
import type {
  Container,
  EphemeralContainer,
  PodSecurityContext,
  PodSpec,
  SecurityContext,
} from "../../../gen/core/v1.ts";
import { requiredOneOf } from "../../../validation/checks.ts";

const NAMES = ["linux", "windows"];

/** Fields of Linux alone, in the order in which upstream names them. */
const OF_POD = [
  "securityContext.appArmorProfile",
  "securityContext.seLinuxOptions",
  "hostUsers",
  "hostPID",
  "hostIPC",
  "securityContext.seccompProfile",
  "securityContext.fsGroup",
  "securityContext.fsGroupChangePolicy",
  "securityContext.sysctls",
  "shareProcessNamespace",
  "securityContext.runAsUser",
  "securityContext.runAsGroup",
  "securityContext.supplementalGroups",
  "securityContext.supplementalGroupsPolicy",
  "securityContext.seLinuxChangePolicy",
] satisfies (keyof PodSpec | `securityContext.${keyof PodSecurityContext}`)[];

const OF_CONTAINER = [
  "appArmorProfile",
  "seLinuxOptions",
  "seccompProfile",
  "capabilities",
  "readOnlyRootFilesystem",
  "privileged",
  "allowPrivilegeEscalation",
  "procMount",
  "runAsUser",
  "runAsGroup",
] satisfies (keyof SecurityContext)[];

/** A flag that is off and an empty list are as good as absent. */
const isSet = (value: unknown) =>
  value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);

export function validateOs(spec: PodSpec, path: string): FieldError[] {
  if (spec.os === undefined) return [];
  const { name } = spec.os;
  if (name === "") return [required(`${path}.os.name`, "cannot be empty")];
  if (!NAMES.includes(name)) return requiredOneOf(name, NAMES, `${path}.os`);
  return name === "linux" ? validateLinux(spec, path) : validateWindows(spec, path);
}

function validateLinux(spec: PodSpec, path: string): FieldError[] {
  return contexts(spec, path)
    .filter(([context]) => context.windowsOptions !== undefined)
    .map(([, at]) =>
      forbidden(`${at}.windowsOptions`, "windows options cannot be set for a linux pod"),
    );
}

function validateWindows(spec: PodSpec, path: string): FieldError[] {
  const pod = OF_POD.filter((field) => {
    const [first, second] = field.split(".") as [keyof PodSpec, (keyof PodSecurityContext)?];
    const value = second === undefined ? spec[first] : spec.securityContext?.[second];
    const isFlag = field === "hostPID" || field === "hostIPC";
    return isFlag ? value === true : isSet(value);
  });
  const [, ...containers] = contexts({ ...spec, securityContext: {} }, path);
  const others = containers.flatMap(([context, at]) =>
    OF_CONTAINER.filter((field) => isSet((context as SecurityContext)[field])).map(
      (field) => `${at}.${field}`,
    ),
  );
  return [...pod.map((field) => `${path}.${field}`), ...others].map((at) =>
    forbidden(at, "cannot be set for a windows pod"),
  );
}

/** The security contexts of a pod and of its containers, with their paths. */
function contexts(spec: PodSpec, path: string): [PodSecurityContext | SecurityContext, string][] {
  const of = (containers: readonly (Container | EphemeralContainer)[] = [], list: string) =>
    containers.map(
      ({ securityContext }, index) =>
        [securityContext, `${path}.${list}[${index}].securityContext`] as const,
    );
  const all = [
    [spec.securityContext, `${path}.securityContext`] as const,
    ...of(spec.initContainers, "initContainers"),
    ...of(spec.containers, "containers"),
    ...of(spec.ephemeralContainers, "ephemeralContainers"),
  ];
  return all.flatMap(([context, at]) => (context === undefined ? [] : [[context, at]]));
}
