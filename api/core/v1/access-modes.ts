/** How volumes may be mounted, for claims and volumes alike. */
import { type FieldError, forbidden, notSupported, tooMany } from "../../errors.ts";
import { ACCESS_MODES_MAX } from "../../limits.ts";

const MODES = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const SHORT: readonly (readonly [string, string])[] = [
  ["ReadWriteOnce", "RWO"],
  ["ReadOnlyMany", "ROX"],
  ["ReadWriteMany", "RWX"],
  ["ReadWriteOncePod", "RWOP"],
];

export const VOLUME_MODES = ["Block", "Filesystem"];

export function validateAccessModes(modes: readonly string[], path: string): FieldError[] {
  if (modes.length > ACCESS_MODES_MAX) return [tooMany(path, modes.length, ACCESS_MODES_MAX)];
  const errors = modes
    .filter((each) => !MODES.includes(each))
    .map((each) => notSupported(path, each, MODES));
  const single = modes.includes("ReadWriteOncePod");
  if (single && modes.some((each) => each !== "ReadWriteOncePod" && MODES.includes(each))) {
    errors.push(forbidden(path, "may not use ReadWriteOncePod with other access modes"));
  }
  return errors;
}

/** The modes as kubectl shows them: `RWO,ROX`. */
export function accessModesCell(modes: readonly string[] = []): string {
  return SHORT.filter(([mode]) => modes.includes(mode))
    .map(([, short]) => short)
    .join(",");
}
