import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { cutSkeleton, withoutTags } from "./cut.ts";
import { LabError } from "./lab-error.ts";
import type { Lab } from "./manifest.ts";
import { ownTree } from "./own-tree.ts";
import { LABS_DIR, ROOT_DIR } from "./paths.ts";

/** Returns the parent of temporary trees: below the product's directory, as a reader's tree. */
export function cacheFolder(): string {
  const folder = join(ROOT_DIR, ".cache");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * Modules that are kept compiled; a run of a lab has about 200. A temporary tree has modules of its
 * own, which are not used again.
 */
const COMPILED_FILES_MAX = 6_000;

/** Returns the folder of compiled modules, empty if they had become too many. */
export function compiledFolder(): string {
  const folder = join(cacheFolder(), "labs-compiled");
  emptyIfAbove(folder, COMPILED_FILES_MAX);
  return folder;
}

/** Removes a folder that has more files, for all processes that use it. */
export function emptyIfAbove(folder: string, filesMax: number): void {
  if (!existsSync(folder) || readdirSync(folder, { recursive: true }).length <= filesMax) return;
  const removed = mkdtempSync(`${folder}-removed-`);
  try {
    renameSync(folder, removed);
  } catch (thrown) {
    // Another process was first.
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
  rmSync(removed, { recursive: true });
}

/** Writes a lab's skeletons into a tree. Throws if one of the files exists. */
export function writeSkeletons(lab: Lab, tree: string): string[] {
  const cut = lab.files.map((file) => [file, cutSkeleton(reference(file), lab.number, file)]);
  const given = (lab.given ?? []).map((file) => {
    return [file, readFileSync(join(LABS_DIR, lab.folder, file), "utf8")];
  });
  return [...cut, ...given].map(([file = "", text = ""]) => {
    const target = join(tree, file);
    if (existsSync(target)) {
      throw new LabError("STARTED", `${target} already exists`, {
        remedy: `use it, or start over (a backup is kept): npm run lab reset ${lab.number}`,
      });
    }
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    return target;
  });
}

/** Writes the reference into a tree, with one mutation if `mutate` is given. */
export function writeReference(lab: Lab, tree: string, mutate?: Lab["mutants"][number]): void {
  for (const file of lab.files) {
    const target = join(tree, file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, mutate?.file === file ? mutatedText(mutate) : referenceText(file));
  }
}

/**
 * Returns the reference of a mutant's file with its mistake in it.
 * Throws a LabError BAD_MUTANT where the text that the mistake replaces is not there once.
 */
export function mutatedText(mutant: Lab["mutants"][number]): string {
  const text = referenceText(mutant.file);
  if (text.split(mutant.find).length === 2) return text.replace(mutant.find, () => mutant.replace);
  throw new LabError("BAD_MUTANT", `"${mutant.name}": its text is not unique in ${mutant.file}`);
}

/** Returns the reference of a file, without tags. */
export const referenceText = (file: string): string => withoutTags(reference(file));

const reference = (file: string): string => readFileSync(join(ROOT_DIR, file), "utf8");

/** Renames a lab's tree to a backup; returns its path, undefined if there was no tree. */
export function backUp(lab: Lab, now_ms: number): string | undefined {
  const tree = ownTree(lab.number);
  if (!existsSync(tree)) return undefined;
  const backup = `${tree}.backup-${now_ms}`;
  renameSync(tree, backup);
  return backup;
}
