import { existsSync } from "node:fs";
import path from "node:path";
import type { HandMount } from "../engine/hand.ts";
import { requireName } from "../engine/names.ts";
import { badFlag, booleanOf } from "./values.ts";

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

/** `--mount type=...,source=...,target=...`. */
export function mountOf(flag: string): MountWish {
  const fields = new Map<string, string>();
  for (const part of flag.split(",")) {
    const equals = part.indexOf("=");
    const [key, value] =
      equals < 0 ? [part, "true"] : [part.slice(0, equals), part.slice(equals + 1)];
    if (equals < 0 && !["ro", "readonly", "volume-nocopy"].includes(part)) {
      throw badFlag("--mount", flag, `${JSON.stringify(part)} is not KEY=VALUE`);
    }
    fields.set(
      { src: "source", dst: "target", destination: "target", ro: "readonly" }[key] ?? key,
      value,
    );
  }
  const take = (key: string) => {
    const value = fields.get(key);
    fields.delete(key);
    return value;
  };
  const type = take("type") ?? "volume";
  const source = take("source");
  const destination = requirePlace("--mount", flag, take("target") ?? "");
  const isReadOnly = booleanOf("--mount readonly", take("readonly") ?? "false");
  const copies = !booleanOf("--mount volume-nocopy", take("volume-nocopy") ?? "false");
  const [size, mode, propagation] = [
    take("tmpfs-size"),
    take("tmpfs-mode"),
    take("bind-propagation"),
  ];
  if (propagation !== undefined && !WITHOUT_EFFECT.includes(propagation)) {
    throw badFlag("--mount", flag, `bind-propagation ${propagation} is not supported`);
  }
  take("consistency");
  const [unknown] = fields.keys();
  if (unknown !== undefined) throw badFlag("--mount", flag, `${unknown} is not supported`);
  if (type === "tmpfs") {
    const options = [size && `size=${size}`, mode && `mode=${mode}`].filter(Boolean).join(",");
    return { type, destination, isReadOnly, options };
  }
  if (type === "volume") {
    if (source === undefined) return { type, destination, isReadOnly, isAnonymous: true, copies };
    return { type, name: requireName("volume", source), destination, isReadOnly, copies };
  }
  if (type !== "bind") throw badFlag("--mount", flag, `type ${type} is not supported`);
  if (source === undefined) throw badFlag("--mount", flag, "a bind mount has a source");
  const file = path.resolve(source);
  if (!existsSync(file)) throw badFlag("--mount", flag, `${file} does not exist`);
  return { type, source: file, destination, isReadOnly };
}
