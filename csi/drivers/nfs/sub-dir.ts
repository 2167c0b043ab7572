import { invalidArgument } from "../../lib/errors.ts";
import { PVC_NAMESPACE } from "../../lib/parameters.ts";
import { NAME_BYTES_MAX, SUB_DIR_PARTS_MAX } from "./limits.ts";

/**
 * The driver's own directory in a share: records, snapshots, and content that is being made or
 * removed.
 */
export const META_DIR = ".r2k-csi";

/** Names that a class may use, and the parameter of the provisioner that has the value. */
const NAMES: Readonly<Record<string, string>> = {
  "pvc.metadata.name": "csi.storage.k8s.io/pvc/name",
  "pvc.metadata.namespace": PVC_NAMESPACE,
  "pv.metadata.name": "csi.storage.k8s.io/pv/name",
};
const UNPRINTABLE = /[\u0000-\u001f\u007f]/;

/**
 * Fills the names of claim and volume into the template of a class. Throws INVALID_ARGUMENT for an
 * unknown name, and for one whose value the provisioner does not send.
 */
export function fillSubDir(template: string, parameters: Readonly<Record<string, string>>): string {
  // lab:17 begin fill
  return template.replace(/\$\{([^}]*)\}?/g, (whole, name: string) => {
    const key = NAMES[name];
    if (key === undefined || !whole.endsWith("}")) {
      throw invalidArgument(`parameters.subDir: ${whole} is not known`);
    }
    const value = parameters[key] ?? "";
    if (value === "") {
      throw invalidArgument(
        `parameters.subDir: ${whole} has no value: run the provisioner with ` +
          "--extra-create-metadata",
      );
    }
    if (value.includes("/")) throw invalidArgument(`parameters.${key} has a slash: ${value}`);
    return value;
  });
  // lab:17 end
}

/**
 * A directory beneath a share in its plain form: names divided by single slashes, none of which
 * leads elsewhere. `field` is what the caller calls it. Throws INVALID_ARGUMENT.
 */
export function requireSubDir(field: string, value: string): string {
  // lab:17 begin require
  const parts = value.split("/").filter((part) => part !== "");
  const quoted = JSON.stringify(value);
  if (parts.length === 0) throw invalidArgument(`${field} names no directory: ${quoted}`);
  if (parts.length > SUB_DIR_PARTS_MAX) {
    throw invalidArgument(`${field} has more than ${SUB_DIR_PARTS_MAX} parts: ${quoted}`);
  }
  if (parts.some((part) => part === "." || part === "..") || UNPRINTABLE.test(value)) {
    throw invalidArgument(`${field} is not a plain path: ${quoted}`);
  }
  if (parts.some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX)) {
    throw invalidArgument(`${field} has a name longer than ${NAME_BYTES_MAX} bytes: ${quoted}`);
  }
  if (parts[0] === META_DIR) {
    throw invalidArgument(`${field} is the driver's own directory: ${quoted}`);
  }
  return parts.join("/");
  // lab:17 end
}

/** The directories above one, the nearest last: `a/b/c` is beneath `a` and `a/b`. */
export function directoriesAbove(subDir: string): string[] {
  const parts = subDir.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}
