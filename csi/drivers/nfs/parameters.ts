import { invalidArgument } from "../../lib/errors.ts";
import { requireSmallMap } from "../../lib/fields.ts";
import { SIDECAR_PREFIX } from "../../lib/parameters.ts";
import { type Share, shareOf } from "./share.ts";
import { fillSubDir, requireSubDir } from "./sub-dir.ts";

/** Treatment of a volume's directory when the volume is deleted. */
export type OnDelete = "delete" | "retain" | "archive";

const ON_DELETE: readonly string[] = ["delete", "retain", "archive"];
const KNOWN = new Set(["server", "share", "subDir", "onDelete", "mountPermissions"]);

/** The parameters of a class, or of a request, that the driver acts on. */
export interface Parameters {
  share: Share;
  /** The volume's directory beneath the share. */
  subDir: string;
  onDelete: OnDelete;
  /** Permissions of the volume's directory; undefined when the class has none. */
  mode: number | undefined;
}

/**
 * Reads the parameters of CreateVolume; the names are those of upstream's csi-driver-nfs. `name`
 * is the volume's, and its directory where the class names none. Throws INVALID_ARGUMENT.
 */
export function parametersOf(
  parameters: Readonly<Record<string, string>>,
  name: string,
): Parameters {
  requireSmallMap("parameters", parameters);
  for (const key of Object.keys(parameters)) {
    if (KNOWN.has(key) || key.startsWith(SIDECAR_PREFIX)) continue;
    throw invalidArgument(`parameters.${key} is not known`);
  }
  const { subDir, onDelete = "", mountPermissions = "" } = parameters;
  const directory = subDir ? fillSubDir(subDir, parameters) : name;
  return {
    share: shareOf("parameters", parameters),
    subDir: requireSubDir(subDir ? "parameters.subDir" : "name", directory),
    onDelete: onDeleteOf(onDelete),
    mode: modeOf(mountPermissions),
  };
}

function onDeleteOf(value: string): OnDelete {
  if (value === "") return "delete";
  if (ON_DELETE.includes(value)) return value as OnDelete;
  throw invalidArgument(`parameters.onDelete is none of ${ON_DELETE.join(", ")}: ${value}`);
}

/** `0`, upstream's default, leaves the permissions as they are. */
function modeOf(value: string): number | undefined {
  if (value === "" || /^0+$/.test(value)) return undefined;
  if (/^[0-7]{3,5}$/.test(value) && Number.parseInt(value, 8) <= 0o7777) {
    return Number.parseInt(value, 8);
  }
  throw invalidArgument(`parameters.mountPermissions is not an octal mode: ${value}`);
}
