/** The security settings of pods and of their containers that do not depend on other fields. */
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
} from "../../../errors.ts";
import type { AppArmorProfile, PodSecurityContext, PodSpec } from "../../../gen/core/v1.ts";
import { eachOf, oneOfIfSet } from "../../../validation/checks.ts";
import { inRange } from "../../../validation/names.ts";
import { descendingPath } from "./validate-volumes.ts";
import { validateWindows } from "./validate-windows.ts";

const POLICIES = {
  fsGroupChangePolicy: ["Always", "OnRootMismatch"],
  supplementalGroupsPolicy: ["Merge", "Strict"],
  // MountOption needs SELinuxMount, which is off upstream.
  seLinuxChangePolicy: ["Recursive"],
} as const satisfies Partial<Record<keyof PodSecurityContext, readonly string[]>>;
const PROFILE_TYPES = ["Localhost", "RuntimeDefault", "Unconfined"];
const APP_ARMOR_NAME_BYTES_MAX = 4095;
const SYSCTL_NAME_MAX = 253;
const SYSCTL = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
/** Settings that the kernel keeps for each network, or for each namespace of IPC. */
const OF_NETWORK = /^net\./;
const OF_IPC = /^(kernel\.(sem|shm(all|max|mni|_rmid_forced)?|msg(max|mnb|mni)?)$|fs\.mqueue\.)/;

/** Validates the settings of a pod's containers, in `spec` at `path`. */
export function validatePodSecurity(spec: PodSpec, path: string): FieldError[] {
  const { securityContext: context } = spec;
  const at = `${path}.securityContext`;
  const errors: FieldError[] = [];
  if (spec.hostPID === true && spec.shareProcessNamespace === true) {
    const detail = "ShareProcessNamespace and HostPID cannot both be enabled";
    errors.push(invalid(`${at}.shareProcessNamespace`, true, detail));
  }
  if (context === undefined) return errors;
  const ids = (["runAsUser", "runAsGroup", "fsGroup"] as const).flatMap((name) => {
    const id = context[name];
    return id === undefined
      ? []
      : inRange(id, 0, INT32_MAX).map((each) => invalid(`${at}.${name}`, id, each));
  });
  const groups = eachOf(context.supplementalGroups, `${at}.supplementalGroups`, (id, place) =>
    inRange(id, 0, INT32_MAX).map((each) => invalid(place, id, each)),
  );
  const policies = Object.entries(POLICIES).flatMap(([name, allowed]) =>
    oneOfIfSet(context[name as keyof typeof POLICIES], allowed, `${at}.${name}`),
  );
  return [
    ...errors,
    ...ids,
    ...groups,
    ...validateSysctls(spec, `${at}.sysctls`),
    ...policies,
    ...validateSeccomp(context.seccompProfile, `${at}.seccompProfile`),
    ...validateWindows(context.windowsOptions, `${at}.windowsOptions`),
    ...validateAppArmor(context.appArmorProfile, `${at}.appArmorProfile`),
  ];
}

/** A namespaced setting of a pod that shares the node's namespace would change the node. */
function validateSysctls(spec: PodSpec, path: string): FieldError[] {
  const names = new Set<string>();
  return eachOf(spec.securityContext?.sysctls, path, ({ name }, place) => {
    const at = `${place}.name`;
    const errors: FieldError[] = [];
    if (name === "") errors.push(required(at));
    else if (name.length > SYSCTL_NAME_MAX || !new RegExp(SYSCTL).test(name)) {
      const rule = `must have at most ${SYSCTL_NAME_MAX} characters and match regex ${SYSCTL}`;
      errors.push(invalid(at, name, rule));
    } else if (names.has(name)) errors.push(duplicate(at, name));
    names.add(name);
    const dotted = dottedSysctl(name);
    if (spec.hostNetwork === true && OF_NETWORK.test(dotted)) {
      errors.push(invalid(at, name, "may not be specified when 'hostNetwork' is true"));
    } else if (spec.hostIPC === true && OF_IPC.test(dotted)) {
      errors.push(invalid(at, name, "may not be specified when 'hostIPC' is true"));
    }
    return errors;
  });
}

/** Returns a name with dots and slashes exchanged, if its first separator is a slash. */
function dottedSysctl(name: string): string {
  const slash = name.indexOf("/");
  const dot = name.indexOf(".");
  if (slash < 0 || (dot >= 0 && dot < slash)) return name;
  return name.replace(/[./]/g, (each) => (each === "/" ? "." : "/"));
}

/** Validates a profile of system calls at `path`. */
export function validateSeccomp(
  profile: { type: string; localhostProfile?: string } | undefined,
  path: string,
): FieldError[] {
  if (profile === undefined) return [];
  if (profile.type === "Localhost") {
    const { localhostProfile = "" } = profile;
    return localhostProfile !== ""
      ? descendingPath(localhostProfile, `${path}.localhostProfile`)
      : [required(`${path}.localhostProfile`, "must be set when seccomp type is Localhost")];
  }
  return validateType(profile, path, "seccomp");
}

/** Validates a profile of AppArmor at `path`: without its name the container would be unconfined. */
export function validateAppArmor(profile: AppArmorProfile | undefined, path: string): FieldError[] {
  if (profile === undefined) return [];
  if (profile.type !== "Localhost") return validateType(profile, path, "AppArmor");
  const { localhostProfile: name = "" } = profile;
  const at = `${path}.localhostProfile`;
  const errors: FieldError[] = [];
  if (name.trim() !== name) errors.push(invalid(at, name, "must not be padded with whitespace"));
  else if (name === "") errors.push(required(at, "must be set when AppArmor type is Localhost"));
  if (Buffer.byteLength(name) > APP_ARMOR_NAME_BYTES_MAX) {
    errors.push(tooLong(at, APP_ARMOR_NAME_BYTES_MAX));
  }
  return errors;
}

function validateType(
  { type, localhostProfile }: { type: string; localhostProfile?: string },
  path: string,
  kind: "seccomp" | "AppArmor",
): FieldError[] {
  const field = kind === "seccomp" ? "seccompProfile" : "appArmorProfile";
  if (type === "") return [required(`${path}.type`, `type is required when ${field} is set`)];
  const known = PROFILE_TYPES.includes(type);
  const errors: FieldError[] = [];
  if (localhostProfile !== undefined && (known || kind === "seccomp")) {
    const detail = `can only be set when ${kind} type is Localhost`;
    errors.push(invalid(`${path}.localhostProfile`, localhostProfile, detail));
  }
  return known ? errors : [...errors, notSupported(`${path}.type`, type, PROFILE_TYPES)];
}

const APP_ARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/";
const APP_ARMOR_VALUES: Readonly<Record<string, AppArmorProfile>> = {
  "runtime/default": { type: "RuntimeDefault" },
  unconfined: { type: "Unconfined" },
};
const APP_ARMOR_LOCAL = "localhost/";
const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;

const containersOf = (spec: PodSpec) => CONTAINER_LISTS.flatMap((list) => spec[list] ?? []);

/** Validates the annotations, in the place of AppArmor's field before 1.30. */
export function validateAppArmorAnnotations(
  annotations: Readonly<Record<string, string>> = {},
  spec: PodSpec,
  path: string,
): FieldError[] {
  return Object.entries(annotations).flatMap(([key, value]) => {
    if (!key.startsWith(APP_ARMOR_ANNOTATION)) return [];
    const at = `${path}[${key}]`;
    const container = key.slice(APP_ARMOR_ANNOTATION.length);
    const errors = containersOf(spec).some(({ name }) => name === container)
      ? []
      : [invalid(at, container, "container not found")];
    const known = value === "" || Object.hasOwn(APP_ARMOR_VALUES, value);
    if (!known && !value.startsWith(APP_ARMOR_LOCAL)) {
      errors.push(invalid(at, value, `invalid AppArmor profile name: ${JSON.stringify(value)}`));
    }
    return errors;
  });
}

/**
 * Copies AppArmor's annotations of a new pod into the fields of its containers that have none.
 * Returns a warning for each that is not what the field says already.
 */
export function takeAppArmorAnnotations(
  annotations: Readonly<Record<string, string>> = {},
  spec: PodSpec,
): string[] {
  if (spec.os?.name === "windows") return [];
  const whole = spec.securityContext?.appArmorProfile;
  return containersOf(spec).flatMap((container) => {
    const key = `${APP_ARMOR_ANNOTATION}${container.name}`;
    const value = annotations[key];
    if (value === undefined || container.securityContext?.appArmorProfile) return [];
    const profile = profileOf(value);
    if (profile && same(profile, whole)) return [];
    if (profile) {
      container.securityContext = { ...container.securityContext, appArmorProfile: profile };
    }
    const instead = 'use the "appArmorProfile" field instead';
    return [`metadata.annotations[${key}]: deprecated since v1.30; ${instead}`];
  });
}

function profileOf(value: string): AppArmorProfile | undefined {
  if (Object.hasOwn(APP_ARMOR_VALUES, value)) return { ...APP_ARMOR_VALUES[value]! };
  if (!value.startsWith(APP_ARMOR_LOCAL)) return undefined;
  const localhostProfile = value.slice(APP_ARMOR_LOCAL.length);
  const profile: AppArmorProfile = { type: "Localhost", localhostProfile };
  return validateAppArmor(profile, "").length === 0 ? profile : undefined;
}

const same = (one: AppArmorProfile, other: AppArmorProfile | undefined) =>
  one.type === other?.type && one.localhostProfile === other.localhostProfile;

/** Each container's own profile and annotation say the same (the pod's profile counts for both). */
export function validateAppArmorMatch(
  annotations: Readonly<Record<string, string>> = {},
  spec: PodSpec,
  path: string,
): FieldError[] {
  if (spec.os?.name === "windows") return [];
  return CONTAINER_LISTS.flatMap((list) =>
    eachOf(spec[list], `${path}.${list}`, (container, place) => {
      const value = annotations[`${APP_ARMOR_ANNOTATION}${container.name}`];
      const { appArmorProfile: profile = spec.securityContext?.appArmorProfile } =
        container.securityContext ?? {};
      if (value === undefined || profile === undefined) return [];
      const said = profileOf(value);
      const at = `${place}.securityContext.appArmorProfile`;
      if (said?.type !== profile.type) {
        const detail = "apparmor type in annotation and field must match";
        return [forbidden(`${at}.type`, detail)];
      }
      if (same(said, profile)) return [];
      const rule = "apparmor profile in annotation and field must match";
      return [forbidden(`${at}.localhostProfile`, rule)];
    }),
  );
}
