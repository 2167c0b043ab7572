import { type FieldError, invalid, notFound, required } from "../../../errors.ts";
import type { FileKeySelector, PodSpec, Volume } from "../../../gen/core/v1.ts";
import { dnsLabel, envVarName } from "../../../validation/names.ts";
import { noBacksteps } from "./validate-volumes.ts";

const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;

/** Checks the variables that containers take from files (`fileKeyRef`). */
export function validateFileRefs(spec: PodSpec, path: string): FieldError[] {
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return CONTAINER_LISTS.flatMap((list) =>
    (spec[list] ?? []).flatMap(({ env = [] }, index) =>
      env.flatMap(({ valueFrom }, position) => {
        const selector = valueFrom?.fileKeyRef;
        if (selector === undefined) return [];
        const at = `${path}.${list}[${index}].env[${position}].valueFrom.fileKeyRef`;
        const volume = volumes.get(selector.volumeName);
        return [...validateSelector(selector, at), ...validateVolume(selector, volume, at)];
      }),
    ),
  );
}

function validateSelector(selector: FileKeySelector, at: string): FieldError[] {
  const { key, volumeName, path } = selector;
  const check = (field: string, value: string, complaints: readonly string[]) =>
    value === ""
      ? [required(`${at}.${field}`)]
      : complaints.map((each) => invalid(`${at}.${field}`, value, each));
  return [
    ...check("key", key, envVarName(key)),
    ...check("volumeName", volumeName, dnsLabel(volumeName)),
    ...check("path", path, []),
    ...noBacksteps(path, `${at}.path`),
  ];
}

/** A file with variables is in a volume that only this pod writes. */
function validateVolume(
  { volumeName }: FileKeySelector,
  volume: Volume | undefined,
  at: string,
): FieldError[] {
  if (volume === undefined) return [notFound(`${at}.volumeName`, volumeName)];
  if (volume.emptyDir) return [];
  return [invalid(`${at}.volumeName`, volumeName, "referenced volume must be of type emptyDir")];
}
