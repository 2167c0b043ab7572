import { existsSync } from "node:fs";
import path from "node:path";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { HandMount } from "../engine/hand.ts";
import { requireName } from "../engine/names.ts";
import { IMAGE_VOLUMES_MAX } from "../limits.ts";
import { bad, booleanOf, fieldsOf, placeOf, read } from "./values.ts";

/** A mount before its volume is there: without a name an anonymous one. */
export type MountWish = Omit<HandMount, "source"> & { source?: string; options?: string };

/** An anonymous volume at a place; an image's places are never read as `-v` is. */
export function anonymousVolume(place: string): MountWish {
  const destination = placeOf(place);
  return { type: "volume", destination, isReadOnly: false, isAnonymous: true, copies: true };
}

/** The volumes of an image. */
export function imageVolumes({ Volumes = {} }: ImageDefaults): MountWish[] {
  const places = Object.keys(Volumes);
  if (places.length <= IMAGE_VOLUMES_MAX) return places.map(anonymousVolume);
  const message = `the image has ${places.length} volumes, ${IMAGE_VOLUMES_MAX} are supported`;
  throw new RuntimeError("resource-exhausted", message);
}

/** Options of `-v` that change nothing here: labels of SELinux, and caches of other systems. */
const WITHOUT_EFFECT = ["rw", "z", "Z", "private", "rprivate", "cached", "delegated", "consistent"];

/** `-v [name|path:]place[:ro|rw|nocopy|z]`. */
export function volumeOf(text: string): MountWish {
  const parts = text.split(":");
  if (parts.length > 3) throw bad("not [name|path:]place[:options]");
  if (parts.length === 1) return anonymousVolume(text);
  const [source = "", place = "", options = ""] = parts;
  const words = new Set(options.split(",").filter(Boolean));
  const unknown = [...words].find((word) => !["ro", "nocopy", ...WITHOUT_EFFECT].includes(word));
  if (unknown !== undefined) throw bad(`option ${unknown} is not supported`);
  const rest = { destination: placeOf(place), isReadOnly: words.has("ro") };
  if (/^[.~]?\.?\//.test(source) || source === ".") {
    return { type: "bind", source: path.resolve(source), ...rest };
  }
  const name = requireName("volume", source);
  return { type: "volume", name, copies: !words.has("nocopy"), ...rest };
}

/** `--tmpfs place[:options]`. */
export function tmpfsOf(text: string): MountWish {
  const [place = "", options = ""] = text.split(/:(.*)/s);
  return { type: "tmpfs", destination: placeOf(place), isReadOnly: false, options };
}

const FIELDS = {
  keys: [
    ...["type", "source src", "target dst destination", "consistency"],
    ...["tmpfs-size", "tmpfs-mode", "bind-propagation"],
  ],
  switches: ["readonly ro", "volume-nocopy"],
};

/** `--mount type=...,source=...,target=...`. */
export function mountOf(text: string): MountWish {
  const { type = "volume", source, target = "", ...fields } = fieldsOf(text, FIELDS);
  const destination = placeOf(target);
  const isReadOnly = read("readonly", fields["readonly"] ?? "false", booleanOf);
  const copies = !read("volume-nocopy", fields["volume-nocopy"] ?? "false", booleanOf);
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
