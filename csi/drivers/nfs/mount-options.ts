import { invalidArgument } from "../../lib/errors.ts";
import { OWN_RETRANS, OWN_TIMEO_DS } from "./limits.ts";

/** Options as fsopen(2) takes them. */
export interface MountOptions {
  /** The file system's: `hard`, `timeo=600`. Without the version. */
  options: string[];
  /** Versions of NFS to try, in this order: `4.2`. */
  versions: string[];
  /** Attributes of the mount (mount_setattr(2)). */
  attributes: number;
}

/** Versions from the newest, as mount.nfs negotiates. */
const VERSIONS = ["4.2", "4.1", "4.0", "3"];
const VERSION_NAMES: Readonly<Record<string, string>> = { "4": "4.0" };

/** MOUNT_ATTR_ of linux/mount.h; the others are the default. */
export const READ_ONLY = 0x01;
/** Devices in the mount are made and seen, and not opened. */
export const NO_DEVICES = 0x04;
/** Links in the mount are read and made, and not followed (Linux 5.14). */
export const NO_SYMLINKS = 0x20_0000;
const ATTRIBUTES: Readonly<Record<string, number>> = {
  ro: READ_ONLY,
  nosuid: 0x02,
  nodev: NO_DEVICES,
  noexec: 0x08,
  noatime: 0x10,
  strictatime: 0x20,
  nodiratime: 0x80,
};
const DEFAULTS = ["rw", "suid", "dev", "exec", "relatime", "async", "_netdev", "defaults"];

/** Options of nfs(5) without a value; those of `NEGATABLE` also with a `no` before them. */
const FLAGS = ["hard", "soft", "softerr", "softreval", "sync"];
const NEGATABLE = ["ac", "acl", "cto", "lock", "rdirplus", "resvport", "fsc"];
/** Options with a number. */
const NUMBERS = [
  "timeo",
  "retrans",
  "rsize",
  "wsize",
  "acregmin",
  "acregmax",
  "acdirmin",
  "acdirmax",
  "actimeo",
  "port",
  "mountport",
  "nconnect",
];
/** Options with one of some values. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  proto: ["tcp", "tcp6"],
  mountproto: ["tcp", "tcp6"],
  mountvers: ["3"],
  local_lock: ["all", "flock", "posix", "none"],
  lookupcache: ["all", "none", "pos", "positive"],
  sec: ["none", "sys"],
};

/**
 * Reads mount flags, each an option or several divided by commas. `field` is their place in the
 * request. Throws INVALID_ARGUMENT, naming an option that is unknown, contradicts another, or is
 * the driver's own (`addr`, `bg`, `nosharecache`).
 */
export function mountOptionsOf(field: string, flags: readonly string[]): MountOptions {
  const found: MountOptions = { options: [], versions: [], attributes: 0 };
  for (const option of flags.flatMap((flag) => flag.split(",")).filter((text) => text !== "")) {
    take(field, found, option);
  }
  if (found.versions.length === 0) found.versions = [...VERSIONS];
  return found;
}

function take(field: string, found: MountOptions, option: string): void {
  const [name = "", value] = split(option);
  if (name === "vers" || name === "nfsvers") {
    const version = VERSION_NAMES[value ?? ""] ?? value ?? "";
    if (!VERSIONS.includes(version)) {
      throw invalidArgument(`${field}: ${option} is none of ${VERSIONS.join(", ")}`);
    }
    if (found.versions.some((other) => other !== version)) {
      throw invalidArgument(`${field}: ${option} contradicts nfsvers=${found.versions[0]}`);
    }
    found.versions = [version];
  } else if (value === undefined && Object.hasOwn(ATTRIBUTES, name)) {
    found.attributes |= ATTRIBUTES[name]!;
  } else if (!(value === undefined && DEFAULTS.includes(name))) {
    if (!isKnown(name, value)) {
      throw invalidArgument(
        `${field}: ${JSON.stringify(option)} is not a mount option of NFS ` +
          "that this driver supports",
      );
    }
    found.options.push(option);
  }
}

function split(option: string): [string, string | undefined] {
  const at = option.indexOf("=");
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}

function isKnown(name: string, value: string | undefined): boolean {
  if (value === undefined) {
    return FLAGS.includes(name) || NEGATABLE.includes(name.replace(/^no/, ""));
  }
  if (NUMBERS.includes(name)) return /^\d{1,9}$/.test(value);
  return Object.hasOwn(VALUES, name) && VALUES[name]!.includes(value);
}

/**
 * The options of the driver's own mounts: those of the class, but a server that is away is an error
 * soon (with NFS 4 only once the connection is lost; the time limit of the process bounds the
 * rest), and no lock is ever taken (NFS 3 needs a further daemon for these).
 */
export function ownMountOptions(given: MountOptions): MountOptions {
  // lab:17 begin own
  const own = ["hard", "soft", "softerr", "lock", "nolock", "timeo", "retrans"];
  const kept = given.options.filter((option) => !own.includes(split(option)[0]));
  const bounded = ["soft", `timeo=${OWN_TIMEO_DS}`, `retrans=${OWN_RETRANS}`, "nolock"];
  return { ...given, options: [...kept, ...bounded], attributes: 0 };
  // lab:17 end
}
