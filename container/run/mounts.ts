import { existsSync } from "node:fs";
import path from "node:path";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { HandMount } from "../engine/hand.ts";
import { requireName } from "../engine/names.ts";
import { IMAGE_VOLUMES_MAX } from "../limits.ts";
import { badFlag, booleanOf, fieldsOf } from "./values.ts";

/** A mount before its volume is there: without a name an anonymous one. */
export type MountWish = Omit<HandMount, "source"> & { source?: string; options?: string };

function requirePlace(flag: string, text: string, place: string): string {
  const normal = path.posix.normalize(place).replace(/(.)\/+$/, "$1");
  if (place.startsWith("/") && normal !== "/") return normal;
  throw badFlag(flag, text, `${JSON.stringify(place)} is no place in a container`);
}

/** An anonymous volume at a place; an image's places are never read as `-v` is. */
export function anonymousVolume(place: string, flag = "the image's VOLUME"): MountWish {
  const destination = requirePlace(flag, place, place);
  return { type: "volume", destination, isReadOnly: false, isAnonymous: true, copies: true };
}

/** The volumes of an image. */
export function imageVolumes({ Volumes = {} }: ImageDefaults): MountWish[] {
  const places = Object.keys(Volumes);
  if (places.length <= IMAGE_VOLUMES_MAX) return places.map((place) => anonymousVolume(place));
  const message = `the image has ${places.length} volumes, ${IMAGE_VOLUMES_MAX} are supported`;
  throw new RuntimeError("resource-exhausted", message);
}

/** Options of `-v` that change nothing here: labels of SELinux, and caches of other systems. */
const WITHOUT_EFFECT = ["rw", "z", "Z", "private", "rprivate", "cached", "delegated", "consistent"];

/** `-v [name|path:]place[:ro|rw|nocopy|z]`. */
export function volumeOf(flag: string): MountWish {
  const parts = flag.split(":");
  if (parts.length > 3) throw badFlag("-v", flag, "not [name|path:]place[:options]");
  if (parts.length === 1) return anonymousVolume(flag, "-v");
  const [source = "", place = "", options = ""] = parts;
  const words = new Set(options.split(",").filter(Boolean));
  const unknown = [...words].find((word) => !["ro", "nocopy", ...WITHOUT_EFFECT].includes(word));
  if (unknown !== undefined) throw badFlag("-v", flag, `option ${unknown} is not supported`);
  const rest = { destination: requirePlace("-v", flag, place), isReadOnly: words.has("ro") };
  if (/^[.~]?\.?\//.test(source) || source === ".") {
    return { type: "bind", source: path.resolve(source), ...rest };
  }
  return {
    type: "volume",
    name: requireName("volume", source),
    copies: !words.has("nocopy"),
    ...rest,
  };
}

/** `--tmpfs place[:options]`. */
export function tmpfsOf(flag: string): MountWish {
  const colon = flag.indexOf(":");
  const place = colon < 0 ? flag : flag.slice(0, colon);
  const options = colon < 0 ? "" : flag.slice(colon + 1);
  return {
    type: "tmpfs",
    destination: requirePlace("--tmpfs", flag, place),
    isReadOnly: false,
    options,
  };
}

const FIELDS = {
  keys: [
    ...["type", "source src", "target dst destination", "consistency"],
    ...["tmpfs-size", "tmpfs-mode", "bind-propagation"],
  ],
  switches: ["readonly ro", "volume-nocopy"],
};

/** `--mount type=...,source=...,target=...`. */
export function mountOf(flag: string): MountWish {
  const bad = (why: string) => badFlag("--mount", flag, why);
  const { type = "volume", source, target = "", ...fields } = fieldsOf(flag, FIELDS, bad);
  const destination = requirePlace("--mount", flag, target);
  const isReadOnly = booleanOf("--mount readonly", fields["readonly"] ?? "false");
  const copies = !booleanOf("--mount volume-nocopy", fields["volume-nocopy"] ?? "false");
  const propagation = fields["bind-propagation"];
  if (propagation !== undefined && !WITHOUT_EFFECT.includes(propagation)) {
    throw bad(`bind-propagation ${propagation} is not supported`);
  }
  const rest = { destination, isReadOnly };
  if (type === "tmpfs") {
    const [size, mode] = [fields["tmpfs-size"], fields["tmpfs-mode"]];
    const options = [size && `size=${size}`, mode && `mode=${mode}`].filter(Boolean).join(",");
    return { type, ...rest, options };
  }
  if (type === "volume") {
    if (source === undefined) return { type, ...rest, isAnonymous: true, copies };
    return { type, name: requireName("volume", source), ...rest, copies };
  }
  if (type !== "bind") throw bad(`type ${type} is not supported`);
  if (source === undefined) throw bad("a bind mount has a source");
  const file = path.resolve(source);
  if (!existsSync(file)) throw bad(`${file} does not exist`);
  return { type, source: file, ...rest };
}
