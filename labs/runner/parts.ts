import { LabError } from "./lab-error.ts";
import { type Lab, readLabs } from "./manifest.ts";
import type { LabState } from "./state.ts";

/**
 * Returns the labs with an exercise for a number (`4`), a part (`store/core`, `core`), or `all`.
 * Throws if there is none.
 */
export function labsOfPart(wanted: string): Lab[] {
  const labs = readLabs().filter((lab) => lab.files.length > 0);
  const found = labs.filter(({ number, part }) => {
    const byPart = part === wanted || part?.split("/").at(-1) === wanted;
    return wanted === "all" || number === wanted.padStart(2, "0") || byPart;
  });
  if (found.length > 0) return found;
  const parts = [...new Set(labs.map(({ part }) => part))];
  throw new LabError("NO_PART", `"${wanted}" is neither a lab nor a part`, {
    remedy: `a number, all, or one of ${parts.join(", ")}`,
  });
}

/** Returns the labs that have passed. Throws if none has. */
export function passedOf(labs: readonly Lab[], state: LabState): Lab[] {
  const passed = labs.filter(({ number }) => state.labs[number]?.passedAt !== undefined);
  if (passed.length > 0) return passed;
  const numbers = labs.map(({ number }) => number).join(", ");
  throw new LabError("NOT_PASSED", `none has passed of lab ${numbers}`, {
    remedy: `npm run lab check ${labs[0]!.number}`,
  });
}
