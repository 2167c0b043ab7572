/** The rules of a pod's spec, for pods and for templates of workloads. */
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notFound,
  required,
  tooLong,
  tooMany,
} from "../../../errors.ts";
import type {
  Container,
  EphemeralContainer,
  PodDNSConfig,
  PodSpec,
  PodTemplateSpec,
} from "../../../gen/core/v1.ts";
import { AMOUNTS_MAX, CONTAINERS_MAX, REPEATED_BYTES_MAX, VOLUMES_MAX } from "../../../limits.ts";
import { validateIp } from "../../../validation/addresses.ts";
import { eachOf, invalidBy, oneOfIfSet, requiredOneOf } from "../../../validation/checks.ts";
import { validateAnnotations, validateLabels } from "../../../validation/metadata.ts";
import {
  dnsLabel,
  dnsSubdomain,
  inRange,
  qualifiedName,
  searchDomain,
} from "../../../validation/names.ts";
import { MIRROR_ANNOTATION } from "./mirror.ts";
import { validateClaims } from "./validate-claims.ts";
import {
  type PodScope,
  validateContainer,
  validateContainers,
  validateInitContainers,
} from "./validate-container.ts";
import { validateFileRefs } from "./validate-file-refs.ts";
import { validateOs } from "./validate-os.ts";
import { validateProcMounts } from "./validate-proc-mount.ts";
import { validatePodResources, validateResources } from "./validate-resources.ts";
import { validateAffinity, validateSpreading, validateTolerations } from "./validate-scheduling.ts";
import { validateAppArmorAnnotations, validatePodSecurity } from "./validate-security.ts";
import { validateVolumes } from "./validate-volumes.ts";
import { validateHostProcess } from "./validate-windows.ts";

const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const PREEMPTION_POLICIES = ["PreemptLowerPriority", "Never"];
const HOSTNAME_MAX = 64;
const NAMESERVERS_MAX = 3;
const SEARCH_PATHS_MAX = 32;
const SEARCH_CHARACTERS_MAX = 2048;

const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;

type Named = "hostname" | "subdomain" | "serviceAccountName" | "nodeName" | "priorityClassName";

const NAMED_FIELDS: readonly (readonly [Named, (text: string) => string[]])[] = [
  ["hostname", dnsLabel],
  ["subdomain", dnsLabel],
  ["serviceAccountName", dnsSubdomain],
  ["nodeName", dnsSubdomain],
  ["priorityClassName", dnsSubdomain],
];

function validateDns(
  config: PodDNSConfig | undefined,
  policy: string | undefined,
  path: string,
): FieldError[] {
  if (policy === "None") {
    if (config === undefined) {
      return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")];
    }
    if ((config.nameservers ?? []).length === 0) {
      const rule = "must provide at least one DNS nameserver when `dnsPolicy` is None";
      return [required(`${path}.nameservers`, rule)];
    }
  }
  const { nameservers = [], searches = [], options = [] } = config ?? {};
  const errors: FieldError[] = [];
  if (nameservers.length > NAMESERVERS_MAX) {
    const rule = `must not have more than ${NAMESERVERS_MAX} nameservers`;
    errors.push(invalid(`${path}.nameservers`, nameservers, rule));
  }
  nameservers.forEach((each, index) =>
    errors.push(...validateIp(each, `${path}.nameservers[${index}]`)),
  );
  if (searches.length > SEARCH_PATHS_MAX) {
    const rule = `must not have more than ${SEARCH_PATHS_MAX} search paths`;
    errors.push(invalid(`${path}.searches`, searches, rule));
  }
  if (searches.join(" ").length > SEARCH_CHARACTERS_MAX) {
    const rule =
      "must not have more than " +
      `${SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list`;
    errors.push(invalid(`${path}.searches`, searches, rule));
  }
  searches.forEach((search, index) => {
    if (search === ".") return;
    const name = search.replace(/\.$/, "");
    errors.push(...invalidBy(searchDomain, `${path}.searches[${index}]`, name));
  });
  options.forEach((each, index) => {
    if ((each.name ?? "") === "") {
      errors.push(required(`${path}.options[${index}]`, "must not be empty"));
    }
  });
  return errors;
}

/** A pod without a service account gets no token. */
function validateTokens(spec: PodSpec, path: string): FieldError[] {
  if ((spec.serviceAccountName ?? "") !== "") return [];
  return eachOf(spec.volumes, `${path}.volumes`, (volume, place) =>
    eachOf(volume.projected?.sources, `${place}.projected.sources`, (source, at) =>
      source.serviceAccountToken === undefined
        ? []
        : [
            forbidden(
              `${at}.serviceAccountToken`,
              "must not be specified when serviceAccountName is not set",
            ),
          ],
    ),
  );
}

function validateHostNetwork(spec: PodSpec, path: string, isPod: boolean): FieldError[] {
  if (spec.hostNetwork !== true) return [];
  return eachOf(spec.containers, `${path}.containers`, (container, place) =>
    eachOf(container.ports, `${place}.ports`, (port, at) => {
      const host = port.hostPort ?? 0;
      if ((!isPod && host === 0) || host === port.containerPort) return [];
      const rule = "must match `containerPort` when `hostNetwork` is true";
      return [invalid(`${at}.hostPort`, host, rule)];
    }),
  );
}

function validateNames(spec: PodSpec, path: string): FieldError[] {
  return NAMED_FIELDS.flatMap(([name, rule]) => {
    const value = spec[name] ?? "";
    if (value === "") return [];
    return invalidBy(rule, `${path}.${name}`, value);
  });
}

function validateHostnameOverride(spec: PodSpec, path: string): FieldError[] {
  const { hostnameOverride: name } = spec;
  if (name === undefined) return [];
  const without = (["setHostnameAsFQDN", "hostNetwork"] as const).filter(
    (each) => spec[each] === true,
  );
  return [
    ...without.map((each) => forbidden(path, `may not be specified when ${each} is true`)),
    ...(name.length > HOSTNAME_MAX ? [tooLong(path, HOSTNAME_MAX)] : []),
    ...invalidBy(dnsSubdomain, path, name),
  ];
}

function validateGates(spec: PodSpec, path: string): FieldError[] {
  const seen = new Set<string>();
  const readiness = eachOf(spec.readinessGates, `${path}.readinessGates`, ({ conditionType }, at) =>
    invalidBy(qualifiedName, `${at}.conditionType`, conditionType),
  );
  const scheduling = eachOf(spec.schedulingGates, `${path}.schedulingGates`, ({ name }, at) => {
    const errors = invalidBy(qualifiedName, at, name);
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    return errors;
  });
  return [...readiness, ...scheduling];
}

/** Fields of containers that debug a pod; they are no part of its services. */
const FOR_EPHEMERAL: ReadonlySet<string> = new Set([
  "name",
  "image",
  "command",
  "args",
  "workingDir",
  "envFrom",
  "env",
  "volumeMounts",
  "volumeDevices",
  "terminationMessagePath",
  "terminationMessagePolicy",
  "imagePullPolicy",
  "securityContext",
  "stdin",
  "stdinOnce",
  "tty",
  "targetContainerName",
] satisfies (keyof EphemeralContainer)[]);

const isEmpty = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;

function validateEphemeral(
  containers: readonly EphemeralContainer[] = [],
  spec: PodSpec,
  scope: PodScope,
  path: string,
): FieldError[] {
  const others = new Set(
    [...spec.containers, ...(spec.initContainers ?? [])].map((each) => each.name),
  );
  const taken = new Set(others);
  return eachOf(containers, path, (container, at) => {
    const errors = validateContainer(container, scope, at);
    if (taken.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    taken.add(container.name);
    const { targetContainerName: target = "" } = container;
    if (target !== "" && !others.has(target)) {
      errors.push(notFound(`${at}.targetContainerName`, target));
    }
    const set = Object.entries(container).filter(
      ([name, value]) => !FOR_EPHEMERAL.has(name) && !isEmpty(value),
    );
    const mounted = (container.volumeMounts ?? []).flatMap((mount, position) =>
      (["subPath", "subPathExpr"] as const)
        .filter((name) => (mount[name] ?? "") !== "")
        .map((name) => `volumeMounts[${position}].${name}`),
    );
    for (const name of [...set.map(([each]) => each), ...mounted]) {
      errors.push(forbidden(`${at}.${name}`, "cannot be set for an Ephemeral Container"));
    }
    return errors;
  });
}

/** Namespaces and devices of the node, which no pod with a user namespace has. */
function validateHostUsers(spec: PodSpec, path: string): FieldError[] {
  if (spec.hostUsers !== false) return [];
  const namespaces = (["hostNetwork", "hostPID", "hostIPC"] as const).filter(
    (name) => spec[name] === true,
  );
  const devices = CONTAINER_LISTS.flatMap((list) =>
    (spec[list] ?? []).flatMap(({ volumeDevices = [] }, index) => {
      return volumeDevices.length === 0 ? [] : [`${list}[${index}].volumeDevices`];
    }),
  );
  return [...namespaces, ...devices].map((name) =>
    forbidden(`${path}.${name}`, "when `hostUsers` is false"),
  );
}

/** Bounds what other rules, and readers of pods, compare or add up. */
function validateCounts(spec: PodSpec, path: string): FieldError[] {
  for (const list of [...CONTAINER_LISTS, "volumes"] as const) {
    const [count, max] = [
      spec[list]?.length ?? 0,
      list === "volumes" ? VOLUMES_MAX : CONTAINERS_MAX,
    ];
    if (count > max) return [tooMany(`${path}.${list}`, count, max)];
  }
  const all = CONTAINER_LISTS.flatMap((list) => spec[list] ?? []);
  const amounts = all.reduce((sum, { resources: { requests = {}, limits = {} } = {} }) => {
    return sum + Object.keys(requests).length + Object.keys(limits).length;
  }, 0);
  if (amounts > AMOUNTS_MAX) {
    return [forbidden(path, `must have at most ${AMOUNTS_MAX} requests and limits in all`)];
  }
  const texts = Buffer.byteLength(JSON.stringify(all.map(repeatedTexts)));
  // Each container's status has the pod's groups.
  const groups = JSON.stringify(spec.securityContext?.supplementalGroups ?? []).length;
  if (texts + groups * all.length <= REPEATED_BYTES_MAX) return [];
  const of = "names, images, resources, mounts and supplemental groups of all containers";
  return [forbidden(path, `${of} must have at most ${REPEATED_BYTES_MAX} bytes of JSON`)];
}

/** Returns what a container's status repeats. */
function repeatedTexts({
  name,
  image = "",
  resources,
  volumeMounts = [],
}: Container | EphemeralContainer): string[] {
  const { requests = {}, limits = {} } = resources ?? {};
  const amounts = [requests, limits].flatMap((each) => Object.entries(each).flat());
  const mounts = volumeMounts.flatMap((mount) => [mount.name, mount.mountPath]);
  return [name, image, ...amounts, ...mounts];
}

function validateAliases(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, alias] of (spec.hostAliases ?? []).entries()) {
    errors.push(...validateIp(alias.ip, `${path}.hostAliases[${index}].ip`));
    alias.hostnames?.forEach((name, position) =>
      errors.push(
        ...invalidBy(dnsSubdomain, `${path}.hostAliases[${index}].hostnames[${position}]`, name),
      ),
    );
  }
  return errors;
}

/**
 * The rules of a spec at `path`. `pod` is the pod's name, empty while it has none; it is undefined
 * for a template.
 */
export function validatePodSpec(spec: PodSpec, path: string, pod?: string): FieldError[] {
  const excess = validateCounts(spec, path);
  if (excess.length > 0) return excess;
  const volumes = validateVolumes(spec.volumes, `${path}.volumes`, pod);
  const scope: PodScope = {
    volumes: volumes.right,
    grace_s: spec.terminationGracePeriodSeconds ?? 0,
    restartPolicy: spec.restartPolicy ?? "",
  };
  const errors = [
    ...volumes.errors,
    ...validateProcMounts(spec, path),
    ...validateTokens(spec, path),
    ...validateContainers(spec.containers, scope, `${path}.containers`),
    ...validateInitContainers(
      spec.initContainers,
      spec.containers,
      scope,
      `${path}.initContainers`,
    ),
    ...validateEphemeral(spec.ephemeralContainers, spec, scope, `${path}.ephemeralContainers`),
    ...validatePodResources(spec, path),
    ...validateHostNetwork(spec, path, pod !== undefined),
    ...validateHostUsers(spec, path),
    ...requiredOneOf(spec.restartPolicy, RESTART_POLICIES, `${path}.restartPolicy`),
    ...requiredOneOf(spec.dnsPolicy, DNS_POLICIES, `${path}.dnsPolicy`),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validatePodSecurity(spec, path),
    ...validateHostProcess(spec, path),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateDns(spec.dnsConfig, spec.dnsPolicy, `${path}.dnsConfig`),
    ...validateGates(spec, path),
    ...validateHostnameOverride(spec, `${path}.hostnameOverride`),
    ...validateClaims(spec, path),
    ...validateFileRefs(spec, path),
    ...validateResources({ limits: spec.overhead ?? {} }, `${path}.overhead`),
    ...validateSpreading(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`),
    ...validateNames(spec, path),
    ...validateTolerations(spec.tolerations, `${path}.tolerations`),
  ];
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined) {
    errors.push(
      ...inRange(deadline, 1, INT32_MAX).map((each) =>
        invalid(`${path}.activeDeadlineSeconds`, deadline, each),
      ),
    );
  }
  if (spec.runtimeClassName !== undefined) {
    errors.push(...invalidBy(dnsSubdomain, `${path}.runtimeClassName`, spec.runtimeClassName));
  }
  return [
    ...errors,
    ...validateAliases(spec, path),
    ...oneOfIfSet(spec.preemptionPolicy, PREEMPTION_POLICIES, `${path}.preemptionPolicy`),
    ...validateOs(spec, path),
  ];
}

/** The rules of annotations that say something about a spec. */
export function validateSpecificAnnotations(
  annotations: Readonly<Record<string, string>> = {},
  spec: PodSpec,
  path: string,
): FieldError[] {
  const mirror = annotations[MIRROR_ANNOTATION];
  const errors = validateAppArmorAnnotations(annotations, spec, path);
  if (mirror === undefined || (spec.nodeName ?? "") !== "") return errors;
  const rule = "must set spec.nodeName if mirror pod annotation is set";
  return [invalid(`${path}[${MIRROR_ANNOTATION}]`, mirror, rule), ...errors];
}

/** The rules of a template that a workload makes pods from. */
export function validatePodTemplate(template: PodTemplateSpec, path: string): FieldError[] {
  const spec = template.spec ?? { containers: [] };
  const errors = [
    ...validateLabels(template.metadata?.labels, `${path}.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${path}.annotations`),
    ...validateSpecificAnnotations(template.metadata?.annotations, spec, `${path}.annotations`),
    ...validatePodSpec(spec, `${path}.spec`),
  ];
  if ((spec.ephemeralContainers ?? []).length > 0) {
    const rule = "ephemeral containers not allowed in pod template";
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, rule));
  }
  return errors;
}
