import type { Container, SELinuxOptions } from "@raft2kube/api/gen/core/v1.ts";
import { containersOf, type Finding, type Judged, namesWhere } from "./finding.ts";
import { namedContainers, plural, quoted, settersOf, sortedSet } from "./words.ts";

const APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/";

export function appArmor(pod: Judged): Finding | undefined {
  const strange = (type: string | undefined) =>
    type !== undefined && type !== "RuntimeDefault" && type !== "Localhost";
  const ofPod = pod.spec.securityContext?.appArmorProfile?.type;
  const typeOf = ({ securityContext }: Container) => securityContext?.appArmorProfile?.type;
  const setters = settersOf(
    strange(ofPod),
    namesWhere(pod, (each) => strange(typeOf(each))),
  );
  const types = [ofPod, ...containersOf(pod).map(typeOf)].filter(strange) as string[];
  const annotations = Object.entries(pod.metadata.annotations ?? {})
    .filter(([key, value]) => key.startsWith(APPARMOR_ANNOTATION) && !isProfile(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
  if (annotations.length > 0) setters.push(plural(annotations.length, "annotation"));
  if (setters.length === 0) return undefined;
  const values = [...sortedSet(types), ...annotations];
  return {
    reason: plural(values.length, "forbidden AppArmor profile"),
    detail: `${setters.join(" and ")} must not set AppArmor profile type to ${quoted(values)}`,
  };
}

function isProfile(value: string): boolean {
  return value === "" || value === "runtime/default" || value.startsWith("localhost/");
}

const SELINUX_TYPES = new Set(["", "container_t", "container_init_t", "container_kvm_t"]);

export function seLinux(pod: Judged): Finding | undefined {
  const typeOf = (options: SELinuxOptions | undefined) => options?.type ?? "";
  const strangeType = (options: SELinuxOptions | undefined) => {
    const type = typeOf(options);
    return !SELINUX_TYPES.has(type) && !(pod.minor >= 31 && type === "container_engine_t");
  };
  const strange = (options: SELinuxOptions | undefined) =>
    strangeType(options) || !!options?.user || !!options?.role;
  const ofPod = pod.spec.securityContext?.seLinuxOptions;
  const optionsOf = ({ securityContext }: Container) => securityContext?.seLinuxOptions;
  const setters = settersOf(
    strange(ofPod),
    namesWhere(pod, (each) => strange(optionsOf(each))),
  );
  if (setters.length === 0) return undefined;
  const all = [ofPod, ...containersOf(pod).map(optionsOf)];
  const types = sortedSet(all.filter(strangeType).map(typeOf));
  const faults = [
    ...(types.length > 0 ? [`${plural(types.length, "type")} ${quoted(types)}`] : []),
    ...(all.some((each) => each?.user) ? ["user may not be set"] : []),
    ...(all.some((each) => each?.role) ? ["role may not be set"] : []),
  ];
  const what = "set forbidden securityContext.seLinuxOptions:";
  return {
    reason: "seLinuxOptions",
    detail: `${setters.join(" and ")} ${what} ${faults.join("; ")}`,
  };
}

const SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/";

function isSeccomp(type: string | undefined): boolean {
  return type === "RuntimeDefault" || type === "Localhost";
}

export function seccompBaseline(pod: Judged): Finding | undefined {
  return pod.minor < 19 ? seccompAnnotations(pod) : forbiddenSeccomp(pod);
}

/** Profiles were annotations before 1.19. */
function seccompAnnotations(pod: Judged): Finding | undefined {
  const keys = [SECCOMP_POD, ...containersOf(pod).map(({ name }) => SECCOMP_CONTAINER + name)];
  const { annotations = {} } = pod.metadata;
  const forbidden = sortedSet(
    keys.flatMap((key) => {
      const value = annotations[key];
      const known = ["runtime/default", "docker/default"];
      if (value === undefined || known.includes(value)) return [];
      return value.startsWith("localhost/") ? [] : [`${key}=${JSON.stringify(value)}`];
    }),
  );
  if (forbidden.length === 0) return undefined;
  const detail = `forbidden ${plural(forbidden.length, "annotation")} ${forbidden.join(", ")}`;
  return { reason: "seccompProfile", detail };
}

function typeOf({ securityContext }: Container): string | undefined {
  return securityContext?.seccompProfile?.type;
}

function forbiddenSeccomp(pod: Judged): Finding | undefined {
  const ofPod = pod.spec.securityContext?.seccompProfile?.type;
  const strange = (type: string | undefined) => type !== undefined && !isSeccomp(type);
  const setters = settersOf(
    strange(ofPod),
    namesWhere(pod, (each) => strange(typeOf(each))),
  );
  if (setters.length === 0) return undefined;
  const all = [ofPod, ...containersOf(pod).map(typeOf)];
  const types = sortedSet(all.filter(strange) as string[]);
  const what = "must not set securityContext.seccompProfile.type to";
  return { reason: "seccompProfile", detail: `${setters.join(" and ")} ${what} ${quoted(types)}` };
}

/** The restricted level also wants a profile where none is named. */
export function seccompRestricted(pod: Judged): Finding | undefined {
  const forbidden = forbiddenSeccomp(pod);
  if (forbidden) return forbidden;
  if (isSeccomp(pod.spec.securityContext?.seccompProfile?.type)) return undefined;
  const names = namesWhere(pod, (each) => typeOf(each) === undefined);
  if (names.length === 0) return undefined;
  const what = `must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`;
  return { reason: "seccompProfile", detail: `pod or ${namedContainers(names)} ${what}` };
}
