import { RuntimeError } from "../errors.ts";
import { LAYER_DEPTH } from "../limits.ts";
import type { TarHeader } from "./tar/header.ts";

/** Where an entry belongs: its folder's path beneath the layer's root, and its last name. */
export interface Place {
  /** `.` for the root. */
  folder: Buffer;
  /** The last name of the path; empty for the root itself. */
  last: Buffer;
}

/** A name for messages, cut where it is very long. */
export const quotedName = (name: Buffer) => JSON.stringify(name.toString("utf8", 0, 200));

/** An entry that no layer may have. */
export function refuse(header: TarHeader, why: string): RuntimeError {
  return new RuntimeError("invalid-argument", `layer entry ${quotedName(header.name)} ${why}`);
}

/**
 * Splits the name of an entry, or of a link's target. Empty parts and `.` name nothing. A `..` is
 * refused, as none needs it, and a name of more than LAYER_DEPTH parts.
 */
export function placeOf(header: TarHeader, name: Buffer): Place {
  // lab:01b begin place-of
  // A character stands for a byte.
  const parts = name
    .toString("latin1")
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse(header, `leads out by ${quotedName(name)}`);
  if (parts.length > LAYER_DEPTH) throw refuse(header, `is nested more than ${LAYER_DEPTH} deep`);
  const last = parts.pop() ?? "";
  const folder = parts.join("/") || ".";
  return { folder: Buffer.from(folder, "latin1"), last: Buffer.from(last, "latin1") };
  // lab:01b end
}
