/** Warnings for valid but probably unintended fields of a pod, as `Warning:` headers. */

import { parseQuantity } from "@raft2kube/std/quantity.ts";
import type {
  Container,
  ContainerPort,
  PodSpec,
  PodTemplateSpec,
  Volume,
} from "../../../gen/core/v1.ts";

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
const WHOLE_BYTES = ["memory", "ephemeral-storage"];
const RESOURCE_CLAIMS =
  "stored, but devices are not allocated by claims yet: no such pod gets a node";
const BILLION = 1_000_000_000n;

function volumeWarnings(volume: Volume, path: string): string[] {
  return Object.keys(volume).flatMap((key) => {
    const text = GONE_VOLUMES[key];
    return text === undefined ? [] : [`${path}.${key}: ${text}`];
  });
}

function envWarnings(container: Container, path: string): string[] {
  const values = new Map<string, string>();
  return (container.env ?? []).flatMap(({ name, value = "" }, index) => {
    const hidden = values.has(name) && !value.includes(`$(${name})`);
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

function portWarnings(containers: readonly Container[], path: string): string[] {
  const names = new Map<string, string>();
  return containers.flatMap((container, index) =>
    (container.ports ?? []).flatMap(({ name = "" }: ContainerPort, position) => {
      const at = `${path}[${index}].ports[${position}]`;
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
  );
}

/** The warnings about a spec at a path. */
export function podWarnings(spec: PodSpec, path: string): string[] {
  const lists = [
    ["initContainers", spec.initContainers ?? []],
    ["containers", spec.containers],
  ];
  const containers = lists as [string, Container[]][];
  const warnings = [
    ...(spec.volumes ?? []).flatMap((each, index) =>
      volumeWarnings(each, `${path}.volumes[${index}]`),
    ),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name = "" }, index) =>
      name !== "" ? [] : [`${path}.imagePullSecrets[${index}].name: invalid empty name ""`],
    ),
    ...containers.flatMap(([list, members]) =>
      members.flatMap((each, index) => [
        ...fractionWarnings(each, `${path}.${list}[${index}]`),
        ...envWarnings(each, `${path}.${list}[${index}]`),
      ]),
    ),
    ...portWarnings(spec.containers, `${path}.containers`),
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
  return warnings;
}

/** The same for a template of pods at a path, by default a workload's. */
export function templateWarnings(
  template: PodTemplateSpec | undefined,
  path = "spec.template",
): string[] {
  return template?.spec === undefined ? [] : podWarnings(template.spec, `${path}.spec`);
}
