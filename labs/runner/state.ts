import { readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { HintCounts } from "./hints.ts";
import { LabError } from "./lab-error.ts";
import { ownRoot, ownTree } from "./own-tree.ts";

/** A reader's progress, kept in one file of their own folder. */
export interface LabState {
  readonly formatVersion: 1;
  readonly labs: Readonly<Record<string, LabProgress>>;
}

export interface LabProgress {
  readonly startedAt: string;
  readonly passedAt?: string | undefined;
  /** Digest of the files that passed; see `ownDigest`. */
  readonly passedDigest?: string | undefined;
  /** The result of the last run of all checks. */
  readonly lastCheck?:
    | { readonly at: string; readonly passed: number; readonly of: number }
    | undefined;
  /** How many hints were shown, by topic. */
  readonly hintsShown?: HintCounts;
  /** Which source of the part the cluster runs. */
  readonly use: "own" | "reference";
  /** Whether it is used as it is, even if it differs from the version that passed. */
  readonly anyway?: boolean | undefined;
}

const FORMAT_VERSION = 1;

const statePath = (): string => join(ownRoot(), "labs.json");

export function readState(): LabState {
  let text: string;
  try {
    text = readFileSync(statePath(), "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return { formatVersion: FORMAT_VERSION, labs: {} };
    throw thrown;
  }
  const state = JSON.parse(text) as LabState;
  if (state.formatVersion === FORMAT_VERSION) return state;
  throw new LabError("NEWER_FORMAT", `${statePath()} has format ${state.formatVersion}`, {
    remedy: "use the r2k that wrote it; the file is not changed",
  });
}

/** Changes the state of one lab. */
export async function updateProgress(
  lab: string,
  change: Partial<LabProgress>,
  now: string,
): Promise<void> {
  const state = readState();
  const before = state.labs[lab] ?? { startedAt: now, use: "reference" as const };
  const labs = { ...state.labs, [lab]: { ...before, ...change } };
  await replaceFile(statePath(), `${JSON.stringify({ ...state, labs }, undefined, 2)}\n`);
}

/** Returns the numbers of the labs whose part replaces the reference in the cluster. */
export function labsInUse(): string[] {
  const entries = Object.entries(readState().labs);
  return entries.filter(([, progress]) => progress.use === "own").map(([lab]) => lab);
}

/** The trees of those labs. */
export const treesInUse = (): string[] => labsInUse().map((lab) => ownTree(lab));
