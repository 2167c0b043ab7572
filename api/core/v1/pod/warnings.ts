/** Warnings for valid but probably unintended fields of a pod, as `Warning:` headers. */

import { dnsLabel } from "@raft2kube/std/names.ts";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import type {
  Container,
  ContainerPort,
  NodeSelectorTerm,
  PodSpec,
  PodTemplateSpec,
  Volume,
} from "../../../gen/core/v1.ts";
import type { KubeObject } from "../../../kind.ts";
import { EQUAL_PORTS_MAX } from "../../../limits.ts";

/** Kinds of volumes that upstream no longer serves, by field. */
const GONE_VOLUMES: Readonly<Record<string, string>> = {
  photonPersistentDisk: "deprecated in v1.11, non-functional in v1.16+",
  gitRepo: "deprecated in v1.11, and disabled by default in v1.33+",
  scaleIO: "deprecated in v1.16, non-functional in v1.22+",
  flocker: "deprecated in v1.22, non-functional in v1.25+",
  storageos: "deprecated in v1.22, non-functional in v1.25+",
  quobyte: "deprecated in v1.22, non-functional in v1.25+",
  glusterfs: "deprecated in v1.25, non-functional in v1.26+",
  cephfs: "deprecated in v1.28, non-functional in v1.31+",
  rbd: "deprecated in v1.28, non-functional in v1.31+",
};
/** Labels of nodes that others took the place of. */
const GONE_LABELS: Readonly<Record<string, string>> = {
  "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
  "failure-domain.beta.kubernetes.io/region":
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  "failure-domain.beta.kubernetes.io/zone":
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  "beta.kubernetes.io/instance-type":
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
};
const WHOLE_BYTES = ["memory", "ephemeral-storage"];
const RESOURCE_CLAIMS =
  "stored, but devices are not allocated by claims yet: no such pod gets a node";
const NO_SELECTOR = "a null labelSelector results in matching no pod";
const BILLION = 1_000_000_000n;

function volumeWarnings(volume: Volume, path: string): string[] {
  return Object.keys(volume).flatMap((key) => {
    const text = GONE_VOLUMES[key];
    return text === undefined ? [] : [`${path}.${key}: ${text}`];
  });
}

function envWarnings(container: Container, path: string): string[] {
  const values = new Map<string, string>();
  return (container.env ?? []).flatMap(({ name, value = "", valueFrom }, index) => {
    const ref = `$(${name})`;
    const extends_ = valueFrom === undefined && value !== ref && value.includes(ref);
    const hidden = values.has(name) && !extends_;
    values.set(name, value);
    return hidden
      ? [
          `${path}.env[${index}]: hides previous definition of "${name}", ` +
            "which may be dropped when using apply",
        ]
      : [];
  });
}

function fractionWarnings(container: Container, path: string): string[] {
  return (["limits", "requests"] as const).flatMap((list) =>
    WHOLE_BYTES.flatMap((name) => {
      const amount = container.resources?.[list]?.[name];
      if (amount === undefined || parseQuantity(amount).nanos % BILLION === 0n) return [];
      return [
        `${path}.resources.${list}[${name}]: fractional byte value "${amount}" is invalid, ` +
          "must be an integer",
      ];
    }),
  );
}

type Term = { readonly labelSelector?: object };
type PlacedPort = ContainerPort & { readonly at: string };

/** Ports of all containers that are one number, or one name. */
function portWarnings(ports: readonly PlacedPort[]): string[] {
  const known = new Map<string, PlacedPort[]>();
  const overlaps = ports.flatMap((port) => {
    const key = `${port.containerPort}/${port.protocol ?? "TCP"}`;
    const others = known.get(key) ?? [];
    if (others.length < EQUAL_PORTS_MAX) known.set(key, [...others, port]);
    return others.flatMap((other) => {
      const how = overlapOf(port, other);
      return how === undefined ? [] : [`${port.at}: ${how} port definition with ${other.at}`];
    });
  });
  const names = new Map<string, string>();
  return [
    ...overlaps,
    ...ports.flatMap(({ name = "", at }) => {
      const first = names.get(name);
      if (name === "" || first === undefined) {
        names.set(name, at);
        return [];
      }
      return [
        `${at}: duplicate port name "${name}" with ${first}, services and probes that ` +
          `select ports by name will use ${first}`,
      ];
    }),
  ];
}

function overlapOf(a: ContainerPort, b: ContainerPort): string | undefined {
  const [portA, portB] = [a.hostPort ?? 0, b.hostPort ?? 0];
  const [addressA, addressB] = [a.hostIP ?? "", b.hostIP ?? ""];
  if (portA === portB && addressA === addressB) return "duplicate";
  if (portA === 0 || portB === 0) return "overlapping";
  const oneIsAny = (addressA === "") !== (addressB === "");
  return portA === portB && oneIsAny ? "dangerously ambiguous" : undefined;
}

function nodeLabelWarnings(spec: PodSpec, path: string): string[] {
  const node = spec.affinity?.nodeAffinity;
  const at = `${path}.affinity.nodeAffinity`;
  const [required, preferred] = ["required", "preferred"].map(
    (each) => `${at}.${each}DuringSchedulingIgnoredDuringExecution`,
  );
  const terms = node?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const weighted = node?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const expressions = (term: NodeSelectorTerm, place: string) =>
    (term.matchExpressions ?? []).map(({ key }, index) => {
      return [`${place}.matchExpressions[${index}].key: ${key} is`, key] as const;
    });
  const keys = [
    ...Object.keys(spec.nodeSelector ?? {}).map((key) => {
      return [`${path}.nodeSelector[${key}]:`, key] as const;
    }),
    ...terms.flatMap((each, n) => expressions(each, `${required}.nodeSelectorTerms[${n}]`)),
    ...weighted.flatMap((each, n) => expressions(each.preference, `${preferred}[${n}].preference`)),
  ];
  return keys.flatMap(([place, key]) =>
    Object.hasOwn(GONE_LABELS, key) ? [`${place} ${GONE_LABELS[key]}`] : [],
  );
}

/** Terms without a selector, which select nothing. */
function selectorWarnings(terms: readonly Term[] | undefined, path: string, within = ""): string[] {
  return (terms ?? []).flatMap(({ labelSelector }, index) =>
    labelSelector === undefined ? [`${path}[${index}]${within}.labelSelector: ${NO_SELECTOR}`] : [],
  );
}

function affinityWarnings(spec: PodSpec, path: string): string[] {
  return (["podAffinity", "podAntiAffinity"] as const).flatMap((kind) => {
    const affinity = spec.affinity?.[kind];
    const [required, preferred] = ["required", "preferred"].map(
      (each) => `${path}.affinity.${kind}.${each}DuringSchedulingIgnoredDuringExecution`,
    );
    const weighted = affinity?.preferredDuringSchedulingIgnoredDuringExecution;
    return [
      ...selectorWarnings(affinity?.requiredDuringSchedulingIgnoredDuringExecution, required!),
      ...selectorWarnings(
        weighted?.map(({ podAffinityTerm }) => podAffinityTerm),
        preferred!,
        ".podAffinityTerm",
      ),
    ];
  });
}

/** Items whose key stands in an earlier one. */
function duplicateWarnings(keys: readonly string[], path: string, key: string): string[] {
  const known = new Set<string>();
  return keys.flatMap((each, index) => {
    const warnings = known.has(each)
      ? [`${path}[${index}].${key}: duplicate ${key} ${JSON.stringify(each)}`]
      : [];
    known.add(each);
    return warnings;
  });
}

/** The warnings about a spec at a path. */
export function podWarnings(spec: PodSpec, path: string): string[] {
  const lists = [
    ["initContainers", spec.initContainers ?? []],
    ["containers", spec.containers],
  ];
  const containers = lists as [string, Container[]][];
  const ports = containers.flatMap(([list, members]) =>
    members.flatMap((each, index) =>
      (each.ports ?? []).map((port, position) => {
        return { ...port, at: `${path}.${list}[${index}].ports[${position}]` };
      }),
    ),
  );
  const aliases = (spec.hostAliases ?? []).map(({ ip }) => ip);
  const secrets = (spec.imagePullSecrets ?? []).map(({ name = "" }) => name);
  const warnings = [
    ...nodeLabelWarnings(spec, path),
    ...selectorWarnings(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`),
    ...(spec.volumes ?? []).flatMap((each, index) =>
      volumeWarnings(each, `${path}.volumes[${index}]`),
    ),
    ...duplicateWarnings(aliases, `${path}.hostAliases`, "ip"),
    ...duplicateWarnings(secrets, `${path}.imagePullSecrets`, "name"),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name = "" }, index) =>
      name !== "" ? [] : [`${path}.imagePullSecrets[${index}].name: invalid empty name ""`],
    ),
    ...containers.flatMap(([list, members]) =>
      members.flatMap((each, index) => [
        ...fractionWarnings(each, `${path}.${list}[${index}]`),
        ...envWarnings(each, `${path}.${list}[${index}]`),
      ]),
    ),
    ...portWarnings(ports),
  ];
  if ((spec.resourceClaims ?? []).length > 0) {
    warnings.push(`${path}.resourceClaims: ${RESOURCE_CLAIMS}`);
  }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    warnings.push(
      `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are ` +
        "invalid and will be treated as 1",
    );
  }
  warnings.push(...affinityWarnings(spec, path));
  return warnings;
}

/** The warnings about a new object's name, which its pods and their hosts get. */
export function nameWarnings(
  { metadata: { name = "" } }: KubeObject,
  old: KubeObject | undefined,
  use = "Pod names and hostnames",
): string[] {
  const complaints = old === undefined ? dnsLabel(name) : [];
  if (complaints.length === 0) return [];
  return [
    `metadata.name: this is used in ${use}, which can result in surprising behavior; a DNS label ` +
      `is recommended: [${complaints.join(" ")}]`,
  ];
}

/** The warnings about a workload: its name, when it is new, and its template. */
export const workloadWarnings = (
  object: KubeObject & { readonly spec?: { readonly template?: PodTemplateSpec } },
  old?: KubeObject,
): string[] => [...nameWarnings(object, old), ...templateWarnings(object.spec?.template)];

/** The warnings about a template of pods at a path, by default a workload's. */
export const templateWarnings = (
  template: PodTemplateSpec | undefined,
  path = "spec.template",
): string[] => (template?.spec === undefined ? [] : podWarnings(template.spec, `${path}.spec`));
