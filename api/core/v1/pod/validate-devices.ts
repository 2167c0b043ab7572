import { type FieldError, invalid, notFound, required } from "../../../errors.ts";
import type { Container, EphemeralContainer, Volume } from "../../../gen/core/v1.ts";
import { noBacksteps } from "./validate-volumes.ts";

const WRONG_SOURCE =
  "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";

/** The volumes that a container has as devices, at `path`. */
export function validateDevices(
  container: Container | EphemeralContainer,
  volumes: readonly Volume[],
  path: string,
): FieldError[] {
  const sources = new Map(volumes.map((volume) => [volume.name, volume]));
  const mounts = container.volumeMounts ?? [];
  const mountedNames = new Set(mounts.map(({ name }) => name));
  const mountedPaths = new Set(mounts.map(({ mountPath }) => mountPath));
  const names = new Set<string>();
  const paths = new Set<string>();
  return (container.volumeDevices ?? []).flatMap(({ name, devicePath }, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = name === "" ? [required(`${at}.name`)] : [];
    const ofName = (why: string) => errors.push(invalid(`${at}.name`, name, why));
    const ofPath = (why: string) => errors.push(invalid(`${at}.devicePath`, devicePath, why));
    const source = sources.get(name);
    if (names.has(name)) ofName("must be unique");
    if (source === undefined) errors.push(notFound(`${at}.name`, name));
    else if (!source.persistentVolumeClaim && !source.ephemeral) ofName(WRONG_SOURCE);
    if (devicePath === "") errors.push(required(`${at}.devicePath`));
    if (paths.has(devicePath)) ofPath("must be unique");
    if (noBacksteps(devicePath, at).length > 0) ofPath("can not contain backsteps ('..')");
    if (mountedNames.has(name)) ofName("must not already exist in volumeMounts");
    if (mountedPaths.has(devicePath)) ofPath("must not already exist as a path in volumeMounts");
    names.add(name);
    paths.add(devicePath);
    return errors;
  });
}
