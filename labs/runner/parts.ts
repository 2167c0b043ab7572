import { LabError } from "./lab-error.ts";
import { type Lab, readLabs, twoDigits } from "./manifest.ts";
import { ownDigest } from "./own-tree.ts";
import type { LabState } from "./state.ts";

/**
 * Returns the labs with an exercise for a number (`4`; `7`, which is none, is `7a` to `7c`), a part
 * (`store/core`, `core`, `proxy`), a number and a part (`14/nftables`), or `all`. Throws if there
 * is none.
 */
export function labsOfPart(wanted: string): Lab[] {
  const labs = readLabs().filter((lab) => lab.files.length > 0);
  const [, group, one] = /^(\d\d?)\/(.+)$/.exec(wanted) ?? [];
  const found = labs.filter(({ number, part = "" }) => {
    if (group !== undefined) return number.startsWith(twoDigits(group)) && part.endsWith(`/${one}`);
    const byPart = part === wanted || part.split("/").includes(wanted);
    if (labs.some((lab) => lab.number === twoDigits(wanted))) return number === twoDigits(wanted);
    return wanted === "all" || number.startsWith(twoDigits(wanted)) || byPart;
  });
  if (found.length > 0) return found;
  const parts = [...new Set(labs.map(({ part }) => part))];
  throw new LabError("NO_PART", `"${wanted}" is neither a lab nor a part`, {
    remedy: `a number, all, or one of ${parts.join(", ")}`,
  });
}

/** Returns the programs that run these labs' parts: the store, a device plugin, or a cluster. */
export function programsOf(labs: readonly Lab[]): string {
  const areAll = (prefix: string) => {
    return labs.length > 0 && labs.every(({ part }) => part?.startsWith(prefix));
  };
  if (areAll("device")) return "./r2k device-gpu, beside a cluster";
  return areAll("store/") ? "./r2k store, or npm start" : "npm start";
}

/** Whether a lab's files are as they were when its checks last passed. */
export type Standing = "passed" | "changed" | "not passed";

/** Compares a lab's files with those of its last pass. */
export function standingOf(lab: Lab, state: LabState): Standing {
  const progress = state.labs[lab.number];
  if (progress?.passedAt === undefined) return "not passed";
  return progress.passedDigest === ownDigest(lab) ? "passed" : "changed";
}

/**
 * The labs whose files may be used: those as they passed; with `anyway`, all that were started.
 * Throws when one has changed since its pass, and when there is none.
 */
export function usableOf(labs: readonly Lab[], state: LabState, anyway: boolean): Lab[] {
  if (anyway) {
    const started = labs.filter(({ number }) => state.labs[number] !== undefined);
    if (started.length > 0) return started;
  }
  const changed = labs.filter((lab) => standingOf(lab, state) === "changed");
  if (changed.length > 0) throw changedSincePass(changed);
  const passed = labs.filter((lab) => standingOf(lab, state) === "passed");
  if (passed.length > 0) return passed;
  const numbers = labs.map(({ number }) => number).join(", ");
  throw new LabError("NOT_PASSED", `none has passed of lab ${numbers}`, {
    remedy: `npm run lab check ${labs[0]!.number}`,
  });
}

/**
 * Throws when a part in use is not what passed, unless it was chosen with `--anyway`: a cluster
 * would run on code that nothing has judged.
 */
export function refuseUnjudged(state: LabState): void {
  const judged = Object.entries(state.labs).flatMap(([number, { use, anyway }]) =>
    use === "own" && !anyway ? [number] : [],
  );
  // Most clusters have no part of a reader's: they start without the manifests.
  if (judged.length === 0) return;
  const changed = readLabs().filter(
    (lab) => judged.includes(lab.number) && standingOf(lab, state) !== "passed",
  );
  if (changed.length > 0) throw changedSincePass(changed);
}

function changedSincePass(labs: readonly Lab[]): LabError {
  const numbers = labs.map(({ number }) => number).join(", ");
  const [first] = labs;
  return new LabError("CHANGED", `your part of lab ${numbers} has changed since it passed`, {
    remedy:
      `judge it again: npm run lab check ${first!.number}; ` +
      `or use it as it is: ./r2k lab use own ${first!.number} --anyway`,
  });
}
