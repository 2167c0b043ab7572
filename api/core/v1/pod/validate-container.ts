import { INT32_MAX } from "@raft2kube/std/limits.ts";
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notFound,
  notSupported,
  required,
  tooMany,
} from "../../../errors.ts";
import type {
  Container,
  ContainerPort,
  ContainerRestartRule,
  EphemeralContainer,
  SecurityContext,
  Volume,
  VolumeMount,
} from "../../../gen/core/v1.ts";
import { RESTART_EXIT_CODES_MAX, RESTART_RULES_MAX } from "../../../limits.ts";
import { eachOf, invalidBy, oneOf, requiredBy, requiredOneOf } from "../../../validation/checks.ts";
import { dnsLabel, inRange, portName, portNumber } from "../../../validation/names.ts";
import { validateDevices } from "./validate-devices.ts";
import { validateEnv, validateEnvFrom } from "./validate-env.ts";
import { validateLifecycle, validateProbe } from "./validate-probe.ts";
import { validateResources } from "./validate-resources.ts";
import { validateAppArmor, validateSeccomp } from "./validate-security.ts";
import { descendingPath, validatePullPolicy } from "./validate-volumes.ts";
import { validateWindows } from "./validate-windows.ts";

const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const MESSAGE_POLICIES = ["File", "FallbackToLogsOnError"];
const RESTART_POLICIES = ["Always", "Never", "OnFailure"];
const RULE_ACTIONS = ["Restart", "RestartAllContainers"];
const RULE_OPERATORS = ["In", "NotIn"];
const RULES_NEED_A_POLICY = "must specify restartPolicy when restart rules are used";
const RECURSIONS = ["Disabled", "Enabled", "IfPossible"];
const RESIZED = ["cpu", "memory"];
const RESIZE_POLICIES = ["NotRequired", "RestartContainer"];
const PROPAGATIONS = ["Bidirectional", "HostToContainer", "None"];

/** The context that a pod's containers share. */
export interface PodScope {
  readonly volumes: readonly Volume[];
  readonly grace_s: number;
  readonly restartPolicy: string;
}

function validatePorts(ports: readonly ContainerPort[] = [], path: string): FieldError[] {
  const names = new Set<string>();
  return eachOf(ports, path, (port, at) => {
    const errors: FieldError[] = [];
    if (port.name !== undefined) {
      const complaints = portName(port.name);
      errors.push(...complaints.map((each) => invalid(`${at}.name`, port.name, each)));
      if (complaints.length === 0 && names.has(port.name)) {
        errors.push(duplicate(`${at}.name`, port.name));
      }
      names.add(port.name);
    }
    if (port.containerPort === 0) errors.push(required(`${at}.containerPort`));
    else {
      errors.push(...invalidBy(portNumber, `${at}.containerPort`, port.containerPort));
    }
    if ((port.hostPort ?? 0) !== 0) {
      errors.push(...invalidBy(portNumber, `${at}.hostPort`, port.hostPort!));
    }
    return [...errors, ...requiredOneOf(port.protocol, PROTOCOLS, `${at}.protocol`)];
  });
}

function validateMounts(
  container: Container | EphemeralContainer,
  scope: PodScope,
  path: string,
): FieldError[] {
  const paths = new Set<string>();
  const volumes = new Set(scope.volumes.map(({ name }) => name));
  const devices = new Set((container.volumeDevices ?? []).map(({ name }) => name));
  const devicePaths = new Set((container.volumeDevices ?? []).map((each) => each.devicePath));
  return eachOf(container.volumeMounts, path, (mount, at) => {
    const errors: FieldError[] = mount.name === "" ? [required(`${at}.name`)] : [];
    if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (mount.mountPath === "") errors.push(required(`${at}.mountPath`));
    if (paths.has(mount.mountPath)) {
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, "must be unique"));
    }
    paths.add(mount.mountPath);
    if (devices.has(mount.name)) {
      errors.push(invalid(`${at}.name`, mount.name, "must not already exist in volumeDevices"));
    }
    if (devicePaths.has(mount.mountPath)) {
      const rule = "must not already exist as a path in volumeDevices";
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, rule));
    }
    return [
      ...errors,
      ...validateSubPath(mount, at, path),
      ...validatePropagation(mount, container, path),
      ...validateRecursion(mount, `${path}.recursiveReadOnly`),
    ];
  });
}

/** Upstream names the list, not the member, in complaints about the path itself. */
function validateSubPath(mount: VolumeMount, at: string, list: string): FieldError[] {
  const { subPath = "", subPathExpr = "" } = mount;
  const errors = subPath === "" ? [] : descendingPath(subPath, `${list}.subPath`);
  if (subPathExpr === "") return errors;
  if (subPath !== "") {
    const rule = "subPathExpr and subPath are mutually exclusive";
    errors.push(invalid(`${at}.subPathExpr`, subPathExpr, rule));
  }
  return [...errors, ...descendingPath(subPathExpr, `${list}.subPathExpr`)];
}

function validatePropagation(
  mount: VolumeMount,
  container: Container | EphemeralContainer,
  list: string,
): FieldError[] {
  const mode = mount.mountPropagation;
  if (mode === undefined) return [];
  const path = `${list}.mountPropagation`;
  if (!PROPAGATIONS.includes(mode)) return [notSupported(path, mode, PROPAGATIONS)];
  if (mode !== "Bidirectional" || container.securityContext?.privileged === true) return [];
  const rule = "Bidirectional mount propagation is available only to privileged containers";
  return [forbidden(path, rule)];
}

/** Recursion extends a read-only mount to those below it: one that is not cannot have it. */
function validateRecursion(mount: VolumeMount, path: string): FieldError[] {
  const { recursiveReadOnly: mode, mountPropagation = "None", readOnly = false } = mount;
  if (mode === undefined || mode === "Disabled") return [];
  if (!RECURSIONS.includes(mode)) return [notSupported(path, mode, RECURSIONS)];
  const errors = readOnly ? [] : [forbidden(path, "may only be specified when readOnly is true")];
  if (mountPropagation === "None") return errors;
  const rule = "may only be specified when mountPropagation is None or not specified";
  return [...errors, forbidden(path, rule)];
}

/** Says what a change of each resource does to a running container. */
function validateResizePolicies(
  policies: Container["resizePolicy"] = [],
  podPolicy: string,
  path: string,
): FieldError[] {
  const names = new Set<string>();
  return eachOf(policies, path, ({ resourceName, restartPolicy }, at) => {
    const errors = names.has(resourceName) ? [duplicate(at, resourceName)] : [];
    names.add(resourceName);
    errors.push(
      ...requiredOneOf(resourceName, RESIZED, path),
      ...requiredOneOf(restartPolicy, RESIZE_POLICIES, path),
    );
    if (podPolicy === "Never" && restartPolicy !== "NotRequired") {
      const rule = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
      errors.push(invalid(path, restartPolicy, rule));
    }
    return errors;
  });
}

/** The security settings of one container. */
function validateSecurity(context: SecurityContext | undefined, path: string): FieldError[] {
  if (context === undefined) return [];
  const errors: FieldError[] = [];
  for (const name of ["runAsUser", "runAsGroup"] as const) {
    const id = context[name];
    if (id === undefined) continue;
    errors.push(...inRange(id, 0, INT32_MAX).map((each) => invalid(`${path}.${name}`, id, each)));
  }
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true) {
      const rule = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
      errors.push(invalid(path, context, rule));
    }
    if (context.capabilities?.add?.includes("CAP_SYS_ADMIN") === true) {
      const rule =
        "cannot set `allowPrivilegeEscalation` to false and " + "`capabilities.Add` CAP_SYS_ADMIN";
      errors.push(invalid(path, context, rule));
    }
  }
  return [
    ...errors,
    ...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`),
    ...validateWindows(context.windowsOptions, `${path}.windowsOptions`),
    ...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`),
  ];
}

/** The rules that all containers share. */
export function validateContainer(
  container: Container | EphemeralContainer,
  scope: PodScope,
  path: string,
): FieldError[] {
  const { name } = container;
  return [
    ...requiredBy(dnsLabel, `${path}.name`, name),
    ...((container.image ?? "") === "" ? [required(`${path}.image`)] : []),
    ...requiredOneOf(
      container.terminationMessagePolicy,
      MESSAGE_POLICIES,
      `${path}.terminationMessagePolicy`,
    ),
    ...validatePorts(container.ports, `${path}.ports`),
    ...validateEnv(container.env, `${path}.env`),
    ...validateEnvFrom(container.envFrom, `${path}.envFrom`),
    ...validateMounts(container, scope, `${path}.volumeMounts`),
    ...validateDevices(container, scope.volumes, `${path}.volumeDevices`),
    ...validatePullPolicy(container.imagePullPolicy, `${path}.imagePullPolicy`),
    ...validateResources(container.resources, `${path}.resources`),
    ...validateResizePolicies(
      (container as Container).resizePolicy,
      scope.restartPolicy,
      `${path}.resizePolicy`,
    ),
    ...validateSecurity(container.securityContext, `${path}.securityContext`),
  ];
}

function validateHooks(container: Container, scope: PodScope, path: string): FieldError[] {
  const { grace_s } = scope;
  return [
    ...validateLifecycle(container.lifecycle, `${path}.lifecycle`, grace_s),
    ...validateProbe(container.livenessProbe, "liveness", `${path}.livenessProbe`, grace_s),
    ...validateProbe(container.readinessProbe, "readiness", `${path}.readinessProbe`, grace_s),
    ...validateProbe(container.startupProbe, "startup", `${path}.startupProbe`, grace_s),
  ];
}

/** A port of the host can be taken once. */
function hostPortConflicts(containers: readonly Container[], path: string): FieldError[] {
  const taken = new Set<string>();
  return eachOf(containers, path, (container, place) =>
    eachOf(container.ports, `${place}.ports`, (port, at) => {
      if ((port.hostPort ?? 0) === 0) return [];
      const key = `${port.protocol}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (taken.has(key)) return [duplicate(`${at}.hostPort`, key)];
      taken.add(key);
      return [];
    }),
  );
}

function uniqueName(name: string, taken: Set<string>, path: string): FieldError[] {
  if (name !== "" && taken.has(name)) return [duplicate(`${path}.name`, name)];
  taken.add(name);
  return [];
}

/** A container's own policy, and its rules, which need one beside them. */
function validateRestart(container: Container, path: string): FieldError[] {
  const { restartPolicy, restartPolicyRules: rules = [] } = container;
  const at = `${path}.restartPolicyRules`;
  const errors: FieldError[] = [];
  if (restartPolicy === undefined) {
    if (rules.length > 0) errors.push(required(`${path}.restartPolicy`, RULES_NEED_A_POLICY));
  } else errors.push(...oneOf(restartPolicy, RESTART_POLICIES, `${path}.restartPolicy`));
  if (rules.length > RESTART_RULES_MAX) errors.push(tooMany(at, rules.length, RESTART_RULES_MAX));
  return [...errors, ...eachOf(rules, at, validateRestartRule)];
}

function validateRestartRule(rule: ContainerRestartRule, path: string): FieldError[] {
  const { action = "", exitCodes } = rule;
  const errors: FieldError[] = [];
  errors.push(...oneOf(action, RULE_ACTIONS, `${path}.action`));
  const at = `${path}.exitCodes`;
  if (!exitCodes) return [...errors, required(at, "must be specified")];
  const { operator = "", values = [] } = exitCodes;
  errors.push(...oneOf(operator, RULE_OPERATORS, `${at}.operator`));
  if (values.length > RESTART_EXIT_CODES_MAX) {
    errors.push(tooMany(`${at}.values`, values.length, RESTART_EXIT_CODES_MAX));
  }
  return errors;
}

/** The containers proper: at least one. */
export function validateContainers(
  containers: readonly Container[],
  scope: PodScope,
  path: string,
): FieldError[] {
  if (containers.length === 0) return [required(path)];
  const names = new Set<string>();
  const errors = eachOf(containers, path, (container, at) => {
    return [
      ...validateContainer(container, scope, at),
      ...uniqueName(container.name, names, at),
      ...validateHooks(container, scope, at),
      ...validateRestart(container, at),
    ];
  });
  return [...errors, ...hostPortConflicts(containers, path)];
}

const ONLY_FOR_SIDECARS = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const;

/** Containers that run before the others; with restartPolicy Always they run on beside them. */
export function validateInitContainers(
  containers: readonly Container[] = [],
  regular: readonly Container[],
  scope: PodScope,
  path: string,
): FieldError[] {
  const names = new Set(regular.map((each) => each.name));
  return eachOf(containers, path, (container, at) => {
    const policy = container.restartPolicy;
    const errors = [
      ...validateContainer(container, scope, at),
      ...uniqueName(container.name, names, at),
      ...hostPortConflicts([container], path),
      ...validateRestart(container, at),
    ];
    if (policy === "Always") return [...errors, ...validateHooks(container, scope, at)];
    const set = ONLY_FOR_SIDECARS.filter((name) => container[name] !== undefined);
    return [
      ...errors,
      ...set.map((name) =>
        forbidden(
          `${at}.${name}`,
          "may not be set for init containers without restartPolicy=Always",
        ),
      ),
    ];
  });
}
