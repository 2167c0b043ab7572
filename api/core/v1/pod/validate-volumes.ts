import { SUBDOMAIN_LENGTH_MAX } from "@raft2kube/std/names.ts";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  required,
  tooLong,
} from "../../../errors.ts";
import type {
  DownwardAPIVolumeFile,
  HostPathVolumeSource,
  KeyToPath,
  NFSVolumeSource,
  PersistentVolumeClaimTemplate,
  ProjectedVolumeSource,
  Volume,
} from "../../../gen/core/v1.ts";
import { eachOf, invalidBy, oneOf, requiredOneOf } from "../../../validation/checks.ts";
import { validateAnnotations, validateLabels } from "../../../validation/metadata.ts";
import { dnsLabel, dnsSubdomain } from "../../../validation/names.ts";
import { validateClaimSpec } from "../persistent-volume-claim.ts";
import { validateFieldRef, validateResourceRef } from "./validate-env.ts";
import { validateInTree } from "./validate-in-tree.ts";

const HOST_PATH_TYPES = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];
const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
const MODE_COMPLAINT = "must be a number between 0 and 0777 (octal), both inclusive";

/** The pull policy of a container or of a volume with an image; its default is given before. */
export const validatePullPolicy = (policy: string | undefined, path: string): FieldError[] =>
  requiredOneOf(policy, PULL_POLICIES, path);

export function validateMode(mode: number | undefined, path: string): FieldError[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalid(path, mode, MODE_COMPLAINT)];
}

/** A path without steps upward. */
export function noBacksteps(target: string, path: string): FieldError[] {
  if (!target.split("/").includes("..")) return [];
  return [invalid(path, target, "must not contain '..'")];
}

/** A path inside a volume. */
export function descendingPath(target: string, path: string): FieldError[] {
  const absolute = target.startsWith("/") ? [invalid(path, target, "must be a relative path")] : [];
  return [...absolute, ...noBacksteps(target, path)];
}

function filePath(target: string, path: string): FieldError[] {
  const errors = descendingPath(target, path);
  if (target.startsWith("..") && !target.startsWith("../")) {
    errors.push(invalid(path, target, "must not start with '..'"));
  }
  return errors;
}

function validateItems(items: readonly KeyToPath[] = [], path: string): FieldError[] {
  return eachOf(items, path, (item, at) => {
    return [
      ...(item.key === "" ? [required(`${at}.key`)] : []),
      ...(item.path === "" ? [required(`${at}.path`)] : []),
      ...filePath(item.path, `${at}.path`),
      ...validateMode(item.mode, `${at}.mode`),
    ];
  });
}

function validateDownwardFile(file: DownwardAPIVolumeFile, path: string): FieldError[] {
  const errors = file.path === "" ? [required(`${path}.path`)] : [];
  errors.push(...filePath(file.path, `${path}.path`));
  if (file.fieldRef) {
    errors.push(...validateFieldRef(file.fieldRef, `${path}.fieldRef`, "volume"));
    if (file.resourceFieldRef) {
      const rule = "fieldRef and resourceFieldRef can not be specified simultaneously";
      errors.push(invalid(path, "resource", rule));
    }
  } else if (file.resourceFieldRef) {
    errors.push(
      ...validateResourceRef(file.resourceFieldRef, `${path}.resourceFieldRef`, "volume"),
    );
  } else errors.push(required(path, "one of fieldRef and resourceFieldRef is required"));
  return [...errors, ...validateMode(file.mode, `${path}.mode`)];
}

const DRIVER_NAME_MAX = 63;
const TOKEN_LIFETIME_S_MIN = 10 * 60;
const TOKEN_LIFETIME_S_MAX = 2 ** 32;

/** Upstream names the volume, not the source, in complaints about the token's path. */
function validateToken(
  token: { expirationSeconds?: number; path: string },
  path: string,
  volumePath: string,
): FieldError[] {
  const seconds = token.expirationSeconds ?? 0;
  const errors: FieldError[] = [];
  if (seconds < TOKEN_LIFETIME_S_MIN) {
    const rule = "may not specify a duration less than 10 minutes";
    errors.push(invalid(`${path}.expirationSeconds`, seconds, rule));
  }
  if (seconds > TOKEN_LIFETIME_S_MAX) {
    const rule = "may not specify a duration larger than 2^32 seconds";
    errors.push(invalid(`${path}.expirationSeconds`, seconds, rule));
  }
  return token.path === ""
    ? [...errors, required(`${volumePath}.path`)]
    : [...errors, ...filePath(token.path, `${volumePath}.path`)];
}

function validateProjected(projected: ProjectedVolumeSource, path: string): FieldError[] {
  const errors = eachOf(projected.sources, `${path}.sources`, (source, at) => {
    const found: FieldError[] = [];
    const given = Object.keys(source);
    if (given.length > 1) {
      found.push(forbidden(at, "may not specify more than 1 volume type per source"));
    }
    for (const name of ["secret", "configMap"] as const) {
      const from = source[name];
      if (from === undefined) continue;
      if ((from.name ?? "") === "") found.push(required(`${at}.${name}.name`));
      found.push(...validateItems(from.items, `${at}.${name}.items`));
    }
    source.downwardAPI?.items?.forEach((item) =>
      found.push(...validateDownwardFile(item, `${at}.downwardAPI`)),
    );
    if (source.serviceAccountToken) {
      found.push(...validateToken(source.serviceAccountToken, `${at}.serviceAccountToken`, path));
    }
    return found;
  });
  errors.push(...conflictsOf(projected, path));
  return [...errors, ...validateMode(projected.defaultMode, `${path}.defaultMode`)];
}

/** Files of two sources at one path, one of which would be lost. */
function conflictsOf({ sources = [] }: ProjectedVolumeSource, path: string): FieldError[] {
  const files = sources.flatMap((source): (readonly [path: string, shown: string])[] => [
    ...(["secret", "configMap"] as const).flatMap((name) =>
      (source[name]?.items ?? []).map((each) => [each.path, source[name]?.name ?? ""] as const),
    ),
    ...(source.downwardAPI?.items ?? []).map((each) => [each.path, each.path] as const),
    ...[source.serviceAccountToken?.path ?? ""].map((each) => [each, each] as const),
  ]);
  const taken = new Set<string>();
  return files.flatMap(([file, shown]) => {
    const twice = file !== "" && taken.has(file);
    taken.add(file);
    return twice ? [invalid(path, shown, "conflicting duplicate paths")] : [];
  });
}

/** The claim that is made for a pod has no other metadata than these. */
const TEMPLATE_METADATA = ["annotations", "labels"];

function validateClaimTemplate(
  { metadata = {}, spec }: PersistentVolumeClaimTemplate,
  path: string,
): FieldError[] {
  const others = Object.keys(metadata).filter((name) => !TEMPLATE_METADATA.includes(name));
  return [
    ...validateAnnotations(metadata.annotations, `${path}.metadata.annotations`),
    ...validateLabels(metadata.labels, `${path}.metadata.labels`),
    ...others.map((name) => forbidden(`${path}.metadata.${name}`, "cannot be set")),
    ...validateClaimSpec(spec, `${path}.spec`),
  ];
}

/** The name of a storage driver. */
export function validateDriverName(name: string, path: string): FieldError[] {
  if (name === "") return [required(path)];
  const long = name.length > DRIVER_NAME_MAX ? [tooLong(path, DRIVER_NAME_MAX)] : [];
  return [...long, ...dnsSubdomain(name.toLowerCase()).map((each) => invalid(path, name, each))];
}

/** A folder or file of the node, in a pod or a PersistentVolume. */
export const validateHostPath = (
  { path: place, type = "" }: HostPathVolumeSource,
  path: string,
): FieldError[] => [
  ...(place === "" ? [required(`${path}.path`)] : []),
  ...noBacksteps(place, `${path}.path`),
  ...oneOf(type, HOST_PATH_TYPES, `${path}.type`),
];

/** An export of an NFS server, in a pod or a PersistentVolume. */
export function validateNfs({ server, path: place }: NFSVolumeSource, path: string): FieldError[] {
  return [
    ...(server === "" ? [required(`${path}.server`)] : []),
    ...(place === "" ? [required(`${path}.path`)] : []),
    ...(place.startsWith("/") ? [] : [invalid(`${path}.path`, place, "must be an absolute path")]),
  ];
}

/** The rules of each source that is not a bare reference. */
function validateSource(volume: Volume, path: string): FieldError[] {
  const errors: FieldError[] = validateInTree(volume, path);
  const { emptyDir, hostPath, configMap, secret, downwardAPI, projected, csi, nfs, image } = volume;
  if (emptyDir?.sizeLimit !== undefined && parseQuantity(emptyDir.sizeLimit).nanos < 0n) {
    const rule = "SizeLimit field must be a valid resource quantity";
    errors.push(forbidden(`${path}.emptyDir.sizeLimit`, rule));
  }
  if (hostPath !== undefined) errors.push(...validateHostPath(hostPath, `${path}.hostPath`));
  if (configMap !== undefined) {
    if ((configMap.name ?? "") === "") errors.push(required(`${path}.configMap.name`));
    errors.push(...validateMode(configMap.defaultMode, `${path}.configMap.defaultMode`));
    errors.push(...validateItems(configMap.items, `${path}.configMap.items`));
  }
  if (secret !== undefined) {
    if ((secret.secretName ?? "") === "") errors.push(required(`${path}.secret.secretName`));
    errors.push(...validateMode(secret.defaultMode, `${path}.secret.defaultMode`));
    errors.push(...validateItems(secret.items, `${path}.secret.items`));
  }
  if (downwardAPI !== undefined) {
    errors.push(...validateMode(downwardAPI.defaultMode, `${path}.downwardAPI.defaultMode`));
    downwardAPI.items?.forEach((item) =>
      errors.push(...validateDownwardFile(item, `${path}.downwardAPI`)),
    );
  }
  if (projected !== undefined) errors.push(...validateProjected(projected, `${path}.projected`));
  if (volume.persistentVolumeClaim?.claimName === "") {
    errors.push(required(`${path}.persistentVolumeClaim.claimName`));
  }
  if (csi !== undefined) {
    errors.push(...validateDriverName(csi.driver, `${path}.csi.driver`));
    if (csi.nodePublishSecretRef !== undefined) {
      const { name = "" } = csi.nodePublishSecretRef;
      if (name === "") errors.push(required(`${path}.csi.nodePublishSecretRef.name`));
      // Upstream's path too.
      else errors.push(...invalidBy(dnsSubdomain, `${path}.csi.name`, name));
    }
  }
  if (nfs !== undefined) errors.push(...validateNfs(nfs, `${path}.nfs`));
  if (image !== undefined) {
    errors.push(...validatePullPolicy(image.pullPolicy, `${path}.image.pullPolicy`));
  }
  if (volume.ephemeral === undefined) return errors;
  const { volumeClaimTemplate } = volume.ephemeral;
  const at = `${path}.ephemeral.volumeClaimTemplate`;
  if (volumeClaimTemplate === undefined) return [...errors, required(at)];
  return [...errors, ...validateClaimTemplate(volumeClaimTemplate, at)];
}

/** The rules that depend on the pod: templates have no names, and may leave images to others. */
function validateOfPod({ name, ephemeral, image }: Volume, pod: string, at: string): FieldError[] {
  if (image !== undefined && (image.reference ?? "") === "") {
    return [required(`${at}.image.reference`)];
  }
  if (ephemeral === undefined || pod === "" || name === "") return [];
  const claim = `${pod}-${name}`;
  return dnsSubdomain(claim).map((each) =>
    invalid(`${at}.name`, name, `PVC name ${JSON.stringify(claim)}: ${each}`),
  );
}

/**
 * The volumes of a pod: names differ, each has one source. Mounts may name the right ones. `pod`
 * is its name, undefined for a template.
 */
export function validateVolumes(
  volumes: readonly Volume[] = [],
  path: string,
  pod: string | undefined,
): { errors: FieldError[]; right: Volume[] } {
  const names = new Set<string>();
  const right: Volume[] = [];
  // A pod's name that is too long has a finding: no claim's name repeats it.
  const owner = pod !== undefined && pod.length > SUBDOMAIN_LENGTH_MAX ? "" : pod;
  const made = new Set(
    volumes.filter((each) => each.ephemeral && owner).map(({ name }) => `${owner}-${name}`),
  );
  const errors = volumes.flatMap((volume, index) => {
    const at = `${path}[${index}]`;
    const found = validateVolume(volume, at);
    if (owner !== undefined) found.push(...validateOfPod(volume, owner, at));
    if (names.has(volume.name)) found.push(duplicate(`${path}[${index}].name`, volume.name));
    if (found.length === 0) {
      names.add(volume.name);
      right.push(volume);
    }
    const claim = volume.persistentVolumeClaim?.claimName ?? "";
    if (made.has(claim)) {
      const rule = "must not reference a PVC that gets created for an ephemeral volume";
      found.push(invalid(`${at}.persistentVolumeClaim.claimName`, claim, rule));
    }
    return found;
  });
  return { errors, right };
}

function validateVolume(volume: Volume, at: string): FieldError[] {
  const sources = Object.keys(volume).filter((key) => key !== "name");
  const errors = validateSource(volume, at);
  if (sources.length === 0) errors.push(required(at, "must specify a volume type"));
  errors.push(
    ...sources
      .slice(1)
      .map((key) => forbidden(`${at}.${key}`, "may not specify more than 1 volume type")),
  );
  if (volume.name === "") return [...errors, required(`${at}.name`)];
  return [...errors, ...invalidBy(dnsLabel, `${at}.name`, volume.name)];
}
